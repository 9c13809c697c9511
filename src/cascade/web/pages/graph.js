"use strict";

// The picture of a graph: laid out once for each shape, and then only coloured.

const SVG = "http://www.w3.org/2000/svg";
const SMALLEST = 0.5; // how far a picture is made smaller, so that it fits
const MOST_LAID_OUT = 500; // nodes that dagre places; more of them stand in plain rows

function drawn(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function classOf(state) {
  return state.replaceAll(" ", "-");
}

class GraphPicture {
  constructor(place) {
    this.place = place;
    this.run = null;
    this.nodes = [];
    this.size = 0;
  }

  clear() {
    this.place.replaceChildren();
    this.run = null;
    this.nodes = [];
  }

  // Draws the nodes and edges of a run; `show` colours them.
  setShape(shape) {
    this.run = shape.run;
    this.shape = shape;
    const sizes = shape.nodes.map(sizeOf);
    const layout =
      shape.nodes.length > MOST_LAID_OUT ? inRows(shape, sizes) : byDagre(shape, sizes);
    const arrow = drawn(
      "marker",
      { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
      drawn("path", { d: "M0 0 L8 4 L0 8 z", class: "arrow" }),
    );
    const room = this.place.clientWidth || layout.width;
    const scale = Math.max(SMALLEST, Math.min(1, room / layout.width));
    const picture = drawn(
      "svg",
      {
        viewBox: `0 0 ${layout.width} ${layout.height}`,
        width: layout.width * scale,
        height: layout.height * scale,
        role: "img",
        "aria-label": `the graph of ${shape.run}`,
      },
      drawn("defs", {}, arrow),
    );
    for (const [edge, points] of layout.edges) {
      const line = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
      picture.append(
        drawn("polyline", { points: line, class: `edge ${edge.kind}`, "marker-end": "url(#arrow)" }),
      );
      if (edge.label) {
        const middle = points[Math.floor(points.length / 2)];
        const label = drawn("text", { x: middle.x + 4, y: middle.y, class: "edge-label" });
        label.textContent = edge.label;
        picture.append(label);
      }
    }
    this.nodes = shape.nodes.map((node, number) => {
      const group = nodeOf(node, sizes[number], layout.places[number]);
      picture.append(group);
      return group;
    });
    this.place.replaceChildren(picture);
  }

  // Colours the nodes by what became of them.
  show(graph) {
    if (graph.run !== this.run) return;
    graph.states.forEach((each, number) => {
      const group = this.nodes[number];
      const wanted = `node ${this.shape.nodes[number].kind} ${classOf(each.state)}`;
      if (group.getAttribute("class") !== wanted) group.setAttribute("class", wanted);
      group.dataset.state = each.state;
      group.querySelector("title").textContent = inWords(this.shape.nodes[number], each);
      const became = group.querySelector(".became");
      const text = shortly(each);
      if (became.textContent !== text) became.textContent = text;
    });
  }
}

function inWords(node, each) {
  const lines = [`${node.name} (${node.id}): ${each.state}`];
  if (each.started !== undefined) lines.push(`started at ${each.started.toFixed(3)} s`);
  for (const [since, until] of each.waits ?? [])
    lines.push(`waited from ${since.toFixed(3)} s to ${until === null ? "now" : until.toFixed(3) + " s"}`);
  if (each.ended !== undefined) lines.push(`ended at ${each.ended.toFixed(3)} s`);
  if (each.steps) lines.push(`${each.steps} steps`);
  if (each.reason) lines.push(each.reason);
  return lines.join("\n");
}

function shortly(each) {
  if (each.children) return `${each.state} · ${each.children.ended} ended`;
  if (each.steps) return `${each.state} · ${each.steps} steps`;
  if (each.started === undefined || each.ended === undefined) return each.state;
  return `${each.state} · ${duration(each.ended - each.started)}`;
}

function duration(seconds) {
  if (seconds >= 0.9995) return `${seconds.toPrecision(3)} s`;
  return seconds >= 0.0009995 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${(seconds * 1e6).toFixed(0)} µs`;
}

function sizeOf(node) {
  const longest = Math.max(node.name.length, node.said.join(" · ").length * 0.85, 18);
  return { width: longest * 7.2 + 18, height: node.said.length ? 54 : 42 };
}

function nodeOf(node, { width, height }, { x, y }) {
  const left = x - width / 2;
  const top = y - height / 2;
  const group = drawn("g", { class: `node ${node.kind}`, "data-name": node.name }, drawn("title"));
  if (node.kind === "map")
    group.append(drawn("rect", { x: left + 4, y: top - 4, width, height, rx: 5 }));
  if (node.kind === "router") {
    const corners = [
      [left, y],
      [left + 12, top],
      [left + width - 12, top],
      [left + width, y],
      [left + width - 12, top + height],
      [left + 12, top + height],
    ];
    group.append(drawn("polygon", { points: corners.join(" ") }));
  } else group.append(drawn("rect", { x: left, y: top, width, height, rx: node.kind === "input" ? 16 : 5 }));
  const lines = [
    ["name", node.name],
    ["said", node.said.join(" · ")],
    ["said became", ""],
  ].filter(([kind, text]) => kind !== "said" || text);
  lines.forEach(([kind, text], number) => {
    const line = drawn("text", { x, y: top + 17 + 14 * number, class: kind, "text-anchor": "middle" });
    line.textContent = text;
    group.append(line);
  });
  return group;
}

function byDagre(shape, sizes) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 38, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  shape.nodes.forEach((_, number) => graph.setNode(String(number), { ...sizes[number] }));
  shape.edges.forEach((edge, number) =>
    graph.setEdge(String(edge.source), String(edge.target), {}, String(number)),
  );
  dagre.layout(graph);
  const { width, height } = graph.graph();
  return {
    width: Math.max(1, width),
    height: Math.max(1, height),
    places: shape.nodes.map((_, number) => graph.node(String(number))),
    edges: shape.edges.map((edge, number) => [
      edge,
      graph.edge(String(edge.source), String(edge.target), String(number)).points,
    ]),
  };
}

// Puts each node below all that it needs; of a row that is too long, the rest goes into more rows.
function inRows(shape, sizes) {
  const depths = shape.nodes.map(() => 0);
  for (const { source, target } of shape.edges)
    depths[target] = Math.max(depths[target], depths[source] + 1);
  const rows = [];
  depths.forEach((depth, number) => (rows[depth] ??= []).push(number));
  const places = [];
  let y = 12;
  let widest = 0;
  for (const row of rows.filter(Boolean)) {
    for (let first = 0; first < row.length; first += 40) {
      let x = 12;
      for (const number of row.slice(first, first + 40)) {
        places[number] = { x: x + sizes[number].width / 2, y: y + 27 };
        x += sizes[number].width + 16;
      }
      widest = Math.max(widest, x);
      y += 70;
    }
    y += 16;
  }
  const edges = shape.edges.map((edge) => [
    edge,
    [
      { x: places[edge.source].x, y: places[edge.source].y + 27 },
      { x: places[edge.target].x, y: places[edge.target].y - 27 },
    ],
  ]);
  return { width: widest, height: y, places, edges };
}
