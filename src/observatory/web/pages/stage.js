"use strict";

// The page of an experiment. All it knows comes over one socket: "hello" says what there is, a
// status comes a few times a second, and a picture is its number and a byte for each place.

const COURSE_POINTS = 1200;
const RATE_SPAN = 2000; // milliseconds over which frames are counted

const picture = at("picture");
const pen = picture.getContext("2d");
const course = { points: [] };
const inputs = new Map();
const drawnAt = [];

let image = null;
let colours = null;
let latest = null;

function heard(message) {
  if (message.hello) begin(message.hello);
  else if (message.status) show(message);
  else tell(message);
}

function begin(hello) {
  document.title = hello.title;
  at("title").textContent = hello.title;
  at("course-name").textContent = hello.course;
  course.points = hello.past;
  picture.width = hello.width;
  picture.height = hello.height;
  image = pen.createImageData(hello.width, hello.height);
  const table = Uint8Array.from(atob(hello.palette), (letter) => letter.charCodeAt(0));
  // One number for each colour, as the memory of an image has it: alpha, blue, green, red.
  colours = new Uint32Array(256);
  const bytes = new Uint8Array(colours.buffer);
  for (let level = 0; level < 256; level++) {
    bytes.set(table.subarray(3 * level, 3 * level + 3), 4 * level);
    bytes[4 * level + 3] = 255;
  }
  inputs.clear();
  at("controls").replaceChildren(...hello.controls.map(control));
}

function control(each) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  name.textContent = each.label + (each.unit ? ` (${each.unit})` : "");
  const input = document.createElement("input");
  input.id = `set-${each.name}`;
  inputs.set(each.name, input);
  if (each.kind === "switch") {
    input.type = "checkbox";
    input.onchange = () => set(each.name, input.checked);
    label.append(name, input);
    return label;
  }
  input.type = "number";
  input.min = each.least;
  input.max = each.most;
  input.step = each.kind === "whole" ? 1 : "any";
  const button = document.createElement("button");
  button.textContent = "Set";
  button.type = "button";
  const setIt = () => set(each.name, input.value === "" ? null : Number(input.value));
  button.onclick = setIt;
  input.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    setIt();
    input.blur();
  };
  label.append(name, input, button);
  return label;
}

function set(name, value) {
  send({ set: name, to: value });
}

function show({ status, dropped, dropped_by_all, watchers }) {
  at("course-value").textContent = status.course.toFixed(3);
  const last = course.points.at(-1);
  if (!last || status.time > last[0]) course.points.push([status.time, status.course]);
  if (course.points.length > COURSE_POINTS)
    course.points = course.points.filter((_, index) => index % 2 === 0);
  drawCourse();
  const rate = drawnAt.length / (RATE_SPAN / 1000);
  const values = {
    ...status.values,
    "frames/s": rate.toFixed(0),
    "frames skipped": String(dropped),
    ...(dropped_by_all > dropped ? { "frames skipped by all": String(dropped_by_all) } : {}),
    pages: String(watchers),
  };
  at("values").replaceChildren(
    ...Object.entries(values).flatMap(([name, value]) => {
      const term = document.createElement("dt");
      const detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = value;
      detail.dataset.name = name;
      return [term, detail];
    }),
  );
  for (const [name, value] of Object.entries(status.settings)) {
    const input = inputs.get(name);
    if (!input || input === document.activeElement) continue;
    if (typeof value === "boolean") input.checked = value;
    else if (input.dataset.told !== String(value)) {
      // What somebody types here stays until it is sent, or is set elsewhere.
      input.value = String(value);
      input.dataset.told = String(value);
    }
  }
}

function drawCourse() {
  const canvas = at("course");
  const lines = canvas.getContext("2d");
  const { width, height } = canvas;
  lines.clearRect(0, 0, width, height);
  lines.strokeStyle = "#2a3355";
  lines.beginPath();
  for (const part of [0, 0.5, 1]) {
    const y = 1 + (1 - part) * (height - 2);
    lines.moveTo(0, y);
    lines.lineTo(width, y);
  }
  lines.stroke();
  if (course.points.length < 2) return;
  const first = course.points[0][0];
  const span = course.points.at(-1)[0] - first || 1;
  lines.strokeStyle = "#e8e04a";
  lines.lineWidth = 1.5;
  lines.beginPath();
  for (const [time, value] of course.points)
    lines.lineTo(((time - first) / span) * width, 1 + (1 - value) * (height - 2));
  lines.stroke();
}

function draw(now) {
  requestAnimationFrame(draw);
  while (drawnAt.length && drawnAt[0] < now - RATE_SPAN) drawnAt.shift();
  if (latest === null || image === null) return;
  const pixels = new Uint32Array(image.data.buffer);
  for (let place = 0; place < latest.length; place++) pixels[place] = colours[latest[place]];
  pen.putImageData(image, 0, 0);
  latest = null;
  drawnAt.push(now);
}

keepConnected({
  opened: () => said("watching"),
  heard,
  received: (bytes) => {
    latest = new Uint8Array(bytes, 4);
  },
  lost: "the experiment has ended, or can't be reached",
});
requestAnimationFrame(draw);
