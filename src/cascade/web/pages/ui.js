"use strict";

// The page of all programs that can be steered. What is chosen here is told to the server, which
// sends what there is to be seen of it, twice a second.

const STATES = ["running", "waiting", "succeeded", "failed", "cancelled", "skipped"];

const picture = new GraphPicture(at("graph"));
let chosen = { program: null, run: null };
let shape = null;

function choose(choice) {
  chosen = choice;
  send({ choose: choice });
}

function heard(message) {
  if (message.shape) {
    shape = message.shape;
    picture.setShape(shape);
    const { nodes, edges } = shape.left_out;
    at("left-out").textContent =
      nodes || edges ? `left out: ${nodes} more nodes and ${edges} more edges` : "";
  } else if (message.programs) show(message);
  else answered(message);
}

function answered(message) {
  tell(message);
  at("undo").textContent = message.undo ? `undo: ${message.undo}` : "";
}

function show(found) {
  showDropped(found);
  showPrograms(found.programs);
  const names = found.programs.map((each) => each.name);
  if (!names.includes(chosen.program)) {
    const first = names[0] ?? null;
    if (first !== chosen.program) choose({ program: first, run: null });
  }
  if (found.chosen !== chosen.program) return;
  const look = found.look;
  if (!look) {
    if (!found.problem) forget();
    else said(found.problem, true);
    return;
  }
  said(`${look.name}: ${counted(look.tasks)}`);
  showRuns(look, found.graph);
  showGraph(found);
  showResources(look.resources);
  showRules(look.rule_list);
  list("waiting", look.waiting, (each) => [text(each.sentence)]);
  list("trail", [...(found.trail ?? [])].reverse(), (each) => [
    text(`${each.command} `),
    small(`${each.when.slice(11, 19)} ${whoOf(each.who)}`),
    document.createElement("br"),
    text(each.effect),
  ]);
}

// A page that doesn't read gets the latest look when it reads again; nobody waits for it.
function showDropped({ dropped, dropped_by_all, pages }) {
  at("dropped").textContent = dropped_by_all
    ? `looks left out: ${dropped} here, ${dropped_by_all} on all pages (${pages} open)`
    : "";
}

function whoOf({ user, way, via }) {
  return `${user} (${way}${via ? `, via ${via}` : ""})`;
}

function forget() {
  picture.clear();
  shape = null;
  at("run-title").textContent = "No run";
  for (const id of ["runs", "timeline", "resources", "rules", "waiting", "trail"])
    at(id).replaceChildren();
}

function counted(tasks) {
  return ["running", "waiting", "pending", "ended", "skipped"]
    .filter((state) => tasks[state])
    .map((state) => `${tasks[state]} ${state}`)
    .join(", ") || "nothing runs";
}

function text(words) {
  return document.createTextNode(words);
}

function small(words) {
  const element = document.createElement("small");
  element.textContent = words;
  return element;
}

function list(id, entries, partsOf) {
  at(id).replaceChildren(
    ...entries.map((each) => {
      const item = document.createElement("li");
      item.append(...partsOf(each));
      return item;
    }),
  );
}

// Buttons keep their elements, so that a click isn't lost between two looks.
function buttons(id, entries, isCurrent, onChoose) {
  const place = at(id);
  const kept = new Map([...place.children].map((item) => [item.dataset.key, item]));
  const items = entries.map(({ key, words, detail, problem }) => {
    let item = kept.get(key);
    if (!item) {
      item = document.createElement("li");
      item.dataset.key = key;
      const button = document.createElement("button");
      button.append(text(""), small(""));
      button.onclick = () => onChoose(key);
      item.append(button);
    }
    const button = item.firstChild;
    button.firstChild.data = `${words} `;
    button.lastChild.textContent = detail;
    button.lastChild.classList.toggle("problem", Boolean(problem));
    button.setAttribute("aria-current", String(isCurrent(key)));
    return item;
  });
  const same = items.length === place.children.length && items.every((item, n) => place.children[n] === item);
  if (!same) place.replaceChildren(...items);
}

function showPrograms(programs) {
  buttons(
    "programs",
    programs.map((each) => ({
      key: each.name,
      words: each.name,
      detail: each.problem ?? `${each.runs} ${each.runs === 1 ? "run" : "runs"} · ${counted(each.tasks)}`,
      problem: each.problem,
    })),
    (key) => key === chosen.program,
    (key) => choose({ program: key, run: null }),
  );
  if (!programs.length) {
    forget();
    said("no program runs that can be steered: start it with CASCADE_CONTROL=1");
  }
}

function showRuns(look, graph) {
  const going = [...look.run_list].reverse().map((run) => ({
    key: run.id,
    words: `${run.id} ${run.name}`,
    detail: `${run.seconds === null ? "" : duration(run.seconds) + " · "}${counted(run.tasks)}`,
  }));
  const ended = look.ended_runs.map((run) => ({
    key: run.run,
    words: `${run.run} ${run.name}`,
    detail: `${run.state} · ${duration(run.seconds)}`,
  }));
  buttons(
    "runs",
    [...going, ...ended],
    (key) => key === graph?.run,
    (key) => {
      at("follow").checked = false;
      choose({ ...chosen, run: key });
    },
  );
}

function showGraph(found) {
  const graph = found.graph;
  if (!graph) {
    at("run-title").textContent = found.no_graph ?? "No run";
    if (!found.no_graph) picture.clear();
    return;
  }
  if (shape === null || graph.run !== shape.run) return;
  const error = graph.error ? ` · ${graph.error}` : "";
  at("run-title").textContent =
    `${graph.run} ${graph.name} · ${graph.state} · ${duration(graph.seconds)}${error}`;
  if (picture.run !== graph.run) picture.setShape(shape);
  picture.show(graph);
  drawTimeline(at("timeline"), shape, graph);
}

function showResources(resources) {
  at("resources").replaceChildren(
    ...resources.map((each) => {
      const row = document.createElement("tr");
      row.dataset.name = each.name;
      const held = Object.entries(each.holders).map(([who, amount]) => `${who} (${amount})`);
      if (each.more_holders) held.push(`${each.more_holders} more`);
      const name = document.createElement("td");
      name.append(text(each.name), document.createElement("br"), small(held.join(", ")));
      const much = document.createElement("td");
      much.className = "number";
      much.append(
        text(`${+each.used.toPrecision(6)} of ${each.capacity ?? "∞"}`),
        document.createElement("br"),
        small(`${each.waiting} wait`),
      );
      row.append(name, much);
      return row;
    }),
  );
}

function showRules(rules) {
  buttons(
    "rules",
    rules.map((each) => ({
      key: each.id,
      words: `${each.type} ${each.scope}`,
      detail: `${Object.entries(each.params).map((pair) => pair.join("=")).join(" ")}${
        each.left === null ? "" : ` · ${Math.round(each.left)} s left`
      } · lift`,
    })),
    () => false,
    (key) => steer({ do: "lift", what: key }),
  );
}

function steer(form) {
  send({ program: chosen.program, form });
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = {};
  for (const field of ["do", "what", "much", "for"]) form[field] = at(field).value;
  steer(form);
});
at("follow").addEventListener("change", () => {
  if (at("follow").checked) choose({ ...chosen, run: null });
});
at("legend").append(
  ...STATES.map((state) => {
    const sample = document.createElement("span");
    const square = drawn("rect", { width: 10, height: 10, class: `sample ${state}` });
    sample.append(drawn("svg", { width: 10, height: 10 }, square), text(state));
    return sample;
  }),
);
keepConnected({
  opened: () => {
    said("connected");
    choose(chosen);
  },
  heard,
  lost: "the server has ended, or can't be reached",
});
