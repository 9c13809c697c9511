"use strict";

// What every page has: one socket to its server, made anew when it is lost, and none while nobody
// sees the page.

const RETRY = 1000;

const at = (id) => document.getElementById(id);
let socket = null;

// opened() is called when the socket is open, heard(message) for what is said over it,
// received(bytes) for all that isn't text; lost is what is told when it has ended.
function keepConnected({ opened, heard, received, lost }) {
  function connect() {
    if (socket !== null || document.hidden) return;
    const address = new URL("socket", location.href);
    address.protocol = "ws:";
    socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = opened;
    socket.onmessage = (event) => {
      if (typeof event.data === "string") heard(JSON.parse(event.data));
      else received(event.data);
    };
    socket.onclose = () => {
      socket = null;
      if (document.hidden) return;
      said(lost, true);
      setTimeout(connect, RETRY);
    };
  }
  document.addEventListener("visibilitychange", () => {
    // Nothing is made or sent for a page that nobody sees.
    if (document.hidden && socket !== null) socket.close();
    else connect();
  });
  connect();
}

function said(text, lost = false) {
  at("connection").textContent = text;
  at("connection").classList.toggle("lost", lost);
}

function send(message) {
  if (socket !== null && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function tell(answer) {
  at("effect").textContent = answer.effect ?? answer.error;
  at("effect").classList.toggle("refused", "error" in answer);
}
