"use strict";

// When the tasks of a run have waited, started and ended.

const MOST_ROWS = 300;
const ROW = 18;
const NAMES = 170;

function drawTimeline(place, shape, graph) {
  const rows = graph.states
    .map((each, number) => ({ ...each, node: shape.nodes[number] }))
    .filter((each) => each.started !== undefined || each.waits || each.ended !== undefined)
    .sort((one, other) => beginOf(one) - beginOf(other));
  const shown = rows.slice(0, MOST_ROWS);
  const span = Math.max(graph.seconds, 1e-6);
  const width = Math.max(place.clientWidth - 4, 320);
  const x = (seconds) => NAMES + (seconds / span) * (width - NAMES - 8);
  const height = 22 + ROW * shown.length;
  const picture = drawn("svg", { width, height, role: "img", "aria-label": "when each task ran" });
  for (let part = 0; part <= 4; part++) {
    const at = x((span * part) / 4);
    picture.append(drawn("line", { x1: at, x2: at, y1: 16, y2: height, class: "grid" }));
    const label = drawn("text", { x: at, y: 11, "text-anchor": part === 4 ? "end" : "middle" });
    label.textContent = duration((span * part) / 4);
    picture.append(label);
  }
  shown.forEach((each, number) => {
    const top = 20 + ROW * number;
    const row = drawn("g", { "data-name": each.node.name, class: "row" }, drawn("title"));
    row.querySelector("title").textContent = inWords(each.node, each);
    const name = drawn("text", { x: 2, y: top + 12 });
    name.textContent = each.node.name.length > 24 ? `${each.node.name.slice(0, 23)}…` : each.node.name;
    row.append(name);
    const bar = (from, to, kind) =>
      row.append(
        drawn("rect", {
          x: x(from),
          y: top + 2,
          width: Math.max(1.5, x(to) - x(from)),
          height: ROW - 5,
          class: `bar ${kind}`,
        }),
      );
    if (each.started !== undefined) bar(each.started, each.ended ?? span, classOf(each.state));
    else if (each.ended !== undefined) bar(0, each.ended, classOf(each.state));
    for (const [since, until] of each.waits ?? []) bar(since, until ?? span, "wait");
    picture.append(row);
  });
  place.replaceChildren(picture);
  if (rows.length > shown.length) {
    const rest = document.createElement("p");
    rest.textContent = `and ${rows.length - shown.length} more`;
    place.append(rest);
  }
}

function beginOf(each) {
  return Math.min(each.started ?? Infinity, each.waits?.[0][0] ?? Infinity, each.ended ?? Infinity);
}
