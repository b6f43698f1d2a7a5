"""The page of the HTML report. `@DATA@` is replaced by JSON; everything else is fixed and loads nothing."""

PAGE = r"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Kinema: video evaluation</title>
<style>
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #636a73; --line: #dfe3e8; --back: #fff; --card: #f6f7f9;
  --good: #17713a; --bad: #b3261e; --doubt: #8a5a00; --accent: #2458c6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #9aa3ad; --line: #363b42; --back: #16181b;
  --card: #1f2226; --good: #6fcf97; --bad: #ff8a80; --doubt: #f0b95a; --accent: #8ab4ff; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 24px 24px 96px; font: 14px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--back); }
main { max-width: 1240px; margin: 0 auto; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 8px; }
p { margin: 4px 0; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); white-space: nowrap; } td.n, th.n { text-align: right; white-space: nowrap; }
code { font: 12.5px ui-monospace, monospace; overflow-wrap: anywhere; }
td:first-child { min-width: 300px; } td.why { min-width: 170px; }
.good { color: var(--good); } .bad { color: var(--bad); } .doubt { color: var(--doubt); }
.small { font-size: 12.5px; }
.clip { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px; margin: 12px 0; }
.clip h3 { font-size: 15px; margin: 0 0 8px; overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: 12.5px; margin-top: 2px; }
canvas { display: block; width: auto; height: 256px; max-width: 100%; background: #000; border-radius: 4px; }
.numbers { flex: 1 1 320px; min-width: 280px; max-height: 276px; overflow: auto; }
.numbers table { font-size: 12.5px; } .numbers td, .numbers th { padding: 2px 8px 2px 0; }
nav { position: fixed; left: 0; right: 0; bottom: 0; background: var(--card); border-top: 1px solid var(--line);
  padding: 10px 24px; display: flex; gap: 14px; align-items: center; flex-wrap: wrap; z-index: 2; }
nav input[type=range] { flex: 1 1 240px; accent-color: var(--accent); }
button, select { font: inherit; color: var(--ink); background: var(--back); border: 1px solid var(--line);
  border-radius: 6px; padding: 5px 12px; cursor: pointer; }
button:focus-visible, select:focus-visible, input:focus-visible { outline: 2px solid var(--accent); }
label { white-space: nowrap; } pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; }
svg { display: block; } svg line { stroke: var(--soft); } svg .interval { stroke: var(--accent); stroke-width: 2; }
svg circle, svg path { fill: var(--accent); }
</style>
</head>
<body>
<main>
<h1 id="title"></h1>
<p id="summary" class="soft"></p>
<div id="failures"></div>
<h2>Figures</h2>
<p class="soft small" id="figures-note"></p>
<div class="scroll"><table id="figures"></table></div>
<h2>Sets of clips</h2>
<p class="soft small">A distance between sets has no interval: its bootstrap is biased. Beside it stands what two halves
 of the reference score against each other; a generated half that is no further away cannot be told from real.</p>
<div class="scroll"><table id="sets"></table></div>
<h2>Worst clips</h2>
<p class="row"><label>Order by <select id="order"></select></label>
 <span class="soft small" id="clips-note"></span></p>
<div id="clips"></div>
<h2>What the metrics are worth</h2>
<p class="soft small" id="ladder-note"></p>
<div class="scroll"><table id="ladder"></table></div>
<h2>Not measured</h2>
<div id="skipped" class="small"></div>
<h2>Settings and definitions</h2>
<details><summary>Everything the figures depend on</summary><pre id="settings"></pre></details>
</main>
<nav aria-label="Playback of all videos">
 <button id="play" aria-pressed="false">Play</button>
 <button id="back" aria-label="One frame back">&#x2039;</button>
 <button id="next" aria-label="One frame on">&#x203a;</button>
 <input id="time" type="range" min="0" max="1000" step="1" value="0" aria-label="Moment">
 <span id="clock" class="small"></span>
 <label>Speed <select id="speed"><option value="0.25">&#xbc;</option><option value="0.5">&#xbd;</option>
  <option value="1" selected>1</option><option value="2">2</option></select></label>
 <label><input id="points" type="checkbox"> keypoints</label>
 <label><input id="difference" type="checkbox"> difference to reference</label>
</nav>
<script id="data" type="application/json">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const report = data.report, paired = report.protocol.startsWith("compare");
const $ = id => document.getElementById(id);
function element(tag, text, kind, parent) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (kind) made.className = kind;
  if (parent) parent.append(made);
  return made;
}
function number(value, digits) {
  if (value === null || value === undefined) return "–";
  const short = Number(value.toPrecision(digits || 4));
  return Math.abs(short) < 1e-3 && short ? short.toExponential() : String(short);
}
function interval(row) {
  return row.low === null || row.low === undefined ? "" : `[${number(row.low)}, ${number(row.high)}]`;
}
function header(table, titles) {
  const row = element("tr", null, null, element("thead", null, null, table));
  for (const [title, kind] of titles) element("th", title, kind, row);
  return element("tbody", null, null, table);
}
const TONE = { "admitted": "good", "not admitted": "bad", "undecided": "doubt" };
function nameCell(row, name, entry) {
  const cell = element("td", null, null, row);
  element("code", name, null, cell);
  const way = entry.better ? `${entry.better} is better. ` : "";
  element("div", `${way}${entry.says}${entry.unit ? ` (${entry.unit})` : ""}`, "soft small", cell);
}
function worthCell(row, entry, cell) {
  cell = cell || element("td", null, "small why", row);
  const line = element("div", null, "small", cell);
  element("span", entry.status, TONE[entry.status] || "soft", line);
  element("span", `: ${entry.why}`, "soft", line);
}
function verdictTone(text) {
  if (/^[AB] better$/.test(text)) return "good";
  return text.includes("admitted") ? "bad" : text.startsWith("undecidable") ? "doubt" : "soft";
}
function forest(row, entry) {
  const cell = element("td", null, null, row);
  if (!entry.better || entry.difference === null || !entry.smallest_visible) return;
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
  svg.setAttribute("width", 132); svg.setAttribute("height", 22); svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "difference with its interval; left is A better, right is B better");
  const sign = entry.better === "higher" ? -1 : 1;
  const place = value => 66 + 20 * Math.max(-3.2, Math.min(3.2, sign * value / entry.smallest_visible));
  const line = (x1, y1, x2, y2, kind) => {
    const made = document.createElementNS(space, "line");
    for (const [key, value] of Object.entries({ x1, y1, x2, y2 })) made.setAttribute(key, value);
    if (kind) made.setAttribute("class", kind);
    svg.append(made);
  };
  line(66, 2, 66, 20); line(46, 8, 46, 14); line(86, 8, 86, 14);
  if (entry.low !== null && entry.low !== undefined) line(place(entry.low), 11, place(entry.high), 11, "interval");
  const at = sign * entry.difference / entry.smallest_visible, far = Math.abs(at) > 3;
  const mark = document.createElementNS(space, far ? "path" : "circle");
  if (far) mark.setAttribute("d", at < 0 ? "M2 11 L10 6 V16 Z" : "M130 11 L122 6 V16 Z");
  else for (const [key, size] of [["cx", place(entry.difference)], ["cy", 11], ["r", 4]]) mark.setAttribute(key, size);
  svg.append(mark); cell.append(svg);
}
function comparison(table, entries) {
  const body = header(table, [["metric"], ["A", "n"], ["B", "n"], ["A − B, 95 %", "n"], ["A better | B better"],
    ["p, p (Holm)", "n"], ["clips", "n"], ["verdict, and what the metric is worth"]]);
  for (const [name, entry] of Object.entries(entries)) {
    const row = element("tr", null, null, body);
    nameCell(row, name, entry);
    for (const value of [entry.A, entry.B]) element("td", number(value), "n", row);
    const difference = element("td", number(entry.difference), "n", row);
    element("div", interval(entry), "soft small", difference);
    forest(row, entry);
    const p = element("td", number(entry.p, 2), "n", row);
    element("div", number(entry.p_holm, 2), "soft small", p);
    element("td", number(entry.clips), "n", row);
    const verdict = element("td", entry.verdict, `why ${verdictTone(entry.verdict)}`, row);
    worthCell(row, entry, verdict);
  }
}
function figures() {
  if (paired) {
    comparison($("figures"), report.metrics);
    if (Object.keys(report.sets).length) comparison($("sets"), report.sets);
    return;
  }
  let body = header($("figures"), [["metric"], ["mean", "n"], ["95 % over clips", "n"], ["clips", "n"],
    ["missing", "n"], ["worth"]]);
  for (const [name, entry] of Object.entries(report.metrics)) {
    const row = element("tr", null, null, body);
    nameCell(row, name, entry);
    element("td", number(entry.mean), "n", row);
    element("td", interval(entry), "n", row);
    element("td", entry.clips, "n", row);
    element("td", entry.missing, entry.missing ? "n bad" : "n", row);
    worthCell(row, entry);
  }
  if (!Object.keys(report.sets).length) return;
  body = header($("sets"), [["distance"], ["value", "n"], ["clips", "n"], ["windows", "n"],
    ["of halves: generated to real", "n"], ["real to real", "n"], ["p of one distribution", "n"], ["worth"]]);
  for (const [name, entry] of Object.entries(report.sets)) {
    const row = element("tr", null, null, body), half = entry.half;
    nameCell(row, name, entry);
    for (const value of [entry.value, entry.clips, entry.windows]) element("td", number(value), "n", row);
    element("td", half ? number(half.made_real) : "–", "n", row);
    const range = half && { low: half.real_real_low, high: half.real_real_high };
    element("td", half ? `${number(half.real_real)} ${interval(range)}` : "–", "n", row);
    element("td", number(entry.p_differs, 2), "n", row);
    worthCell(row, entry);
  }
}
function ladder() {
  const rungs = Object.keys(report.ladder.rungs);
  $("ladder-note").textContent = rungs.length
    ? `On ${report.ladder.clips} clips: ` + rungs.map(rung => `${rung}: ${report.ladder.rungs[rung]}`).join("; ")
      + ". A metric is admitted where it tells the reference from every rung it should."
    : "No ladder was run: nothing is known about the metrics.";
  if (!rungs.length) return;
  const body = header($("ladder"), [["metric"], ...rungs.map(rung => [rung, "n"]), ["worth"]]);
  for (const [name, means] of Object.entries(report.ladder.means)) {
    const row = element("tr", null, null, body);
    element("code", name, null, element("td", null, null, row));
    for (const rung of rungs) element("td", number(means[rung]), "n", row);
    worthCell(row, report.ladder.verdicts[name]);
  }
}
const players = [];
const clips = new Map(report.clips.map(clip => [clip.clip, clip]));
function card(name) {
  const clip = clips.get(name), videos = data.videos[name] || {};
  const box = element("section", null, "clip", $("clips"));
  element("h3", name, null, box);
  if (clip.failed) element("p", `failed: ${clip.failed}`, "bad", box);
  const row = element("div", null, "row", box);
  const shown = [];
  for (const title of data.columns) {
    const video = videos[title];
    if (!video) continue;
    const figure = element("figure", null, null, row), canvas = element("canvas", null, null, figure);
    [canvas.width, canvas.height] = video.size.map(side => side * 2);
    canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", `${title}: ${name}`);
    element("figcaption", title, null, figure);
    const picture = new Image();
    const player = { canvas, video, picture, title, clip: name };
    picture.onload = () => draw(player);
    picture.src = video.picture;
    players.push(player); shown.push(player);
  }
  for (const player of shown) player.reference = shown.find(other => other.title === "reference");
  const numbers = element("div", null, "numbers", row), table = element("table", null, null, numbers);
  const columns = Object.keys(clip.scores);
  const body = header(table, [["metric"], ...columns.map(column => [column, "n"])]);
  for (const metric of Object.keys(report.metrics)) {
    const line = element("tr", null, null, body);
    element("td", report.metrics[metric].label, null, line).title = metric;
    for (const column of columns) element("td", number(clip.scores[column][metric]), "n", line);
  }
}
function worst(clip, metric) {
  const sign = report.metrics[metric].better === "higher" ? -1 : 1;
  const values = Object.values(clip.scores).map(scores => scores[metric]).filter(value => value !== null);
  return values.length ? Math.max(...values.map(value => sign * value)) : -Infinity;
}
function cards() {
  const metric = $("order").value, shown = Object.keys(data.videos);
  let names = data.order.filter(name => shown.includes(name));
  if (metric) names = [...names].sort((a, b) => worst(clips.get(b), metric) - worst(clips.get(a), metric));
  $("clips").textContent = ""; players.length = 0;
  names.forEach(card);
  drawAll();
}
let moment = 0, playing = false, before = 0, duration = 1;
function draw(player) {
  if (!player.picture.complete || !player.picture.naturalWidth) return;
  const { canvas, video } = player, context = canvas.getContext("2d");
  const put = other => {
    const frame = Math.min(other.video.frames - 1, Math.floor(moment * other.video.fps + 1e-6));
    const [width, height] = other.video.size;
    const left = frame % other.video.columns * width, top = Math.floor(frame / other.video.columns) * height;
    context.drawImage(other.picture, left, top, width, height, 0, 0, canvas.width, canvas.height);
    return frame;
  };
  context.globalCompositeOperation = "source-over"; context.filter = "none";
  const frame = put(player);
  if ($("difference").checked && player.reference && player.reference !== player) {
    context.globalCompositeOperation = "difference"; put(player.reference);
    context.globalCompositeOperation = "lighter";
    context.drawImage(canvas, 0, 0); context.drawImage(canvas, 0, 0);
    context.globalCompositeOperation = "source-over";
  }
  if ($("points").checked) {
    const scale = canvas.width / video.size[0], points = video.keypoints[frame];
    context.lineWidth = scale; context.strokeStyle = "#00e5ff"; context.fillStyle = "#ffea00";
    for (const [start, end] of data.bones) {
      if (!points[start] || !points[end]) continue;
      context.beginPath(); context.moveTo(points[start][0] * scale, points[start][1] * scale);
      context.lineTo(points[end][0] * scale, points[end][1] * scale); context.stroke();
    }
    for (const point of points) if (point) {
      context.beginPath(); context.arc(point[0] * scale, point[1] * scale, scale * 1.2, 0, 7); context.fill();
    }
  }
}
function drawAll() {
  players.forEach(draw);
  $("time").value = Math.round(1000 * moment / duration);
  $("clock").textContent = `${moment.toFixed(2)} s of ${duration.toFixed(2)} s`;
}
function tick(now) {
  if (!playing) return;
  moment = (moment + (now - before) / 1000 * Number($("speed").value)) % duration;
  before = now; drawAll(); requestAnimationFrame(tick);
}
function play(on) {
  playing = on; $("play").textContent = on ? "Pause" : "Play"; $("play").setAttribute("aria-pressed", on);
  if (on) { before = performance.now(); requestAnimationFrame(tick); }
}
function step(way) {
  play(false);
  const fps = Math.max(...players.map(player => player.video.fps), 1);
  moment = Math.min(duration - 0.5 / fps, Math.max(0, (Math.floor(moment * fps + 1e-6) + way) / fps));
  drawAll();
}
$("play").onclick = () => play(!playing);
$("back").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("time").oninput = () => { play(false); moment = Number($("time").value) / 1000 * duration * 0.9999; drawAll(); };
$("points").onchange = $("difference").onchange = drawAll;
$("order").onchange = cards;
document.addEventListener("keydown", event => {
  if (["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName)) return;
  if (event.key === " ") { event.preventDefault(); play(!playing); }
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
const settings = report.settings;
$("title").textContent = paired ? `A: ${settings.A}  against  B: ${settings.B}` : settings.generated;
$("summary").textContent = `${settings.clips} clips; reference: ${settings.reference || "none"}; protocol `
  + `${report.protocol}, Kinema ${report.kinema}`;
if (paired) {
  const verdicts = [...Object.values(report.metrics), ...Object.values(report.sets)].map(entry => entry.verdict);
  const count = start => verdicts.filter(text => text.startsWith(start)).length;
  element("p", `A better by ${count("A better")} metrics, B better by ${count("B better")}, `
    + `undecidable by ${count("undecidable")}.`, null, $("failures"));
}
$("figures-note").textContent = paired
  ? "Paired over clips. The bar: the difference and its interval, in units of the smallest effect that could have been "
    + "seen (ticks at 1, an arrow beyond 3). Verdicts are at 5 % each; p (Holm) holds all metrics against one another."
  : "Means over clips, with intervals over clips. The eight letters in a name are the hash of all it depends on.";
const failures = paired ? { "A": report.failures.A, "B": report.failures.B } : { "": report.failures };
for (const [side, list] of Object.entries(failures)) for (const [name, why] of Object.entries(list))
  element("p", `failed${side ? ` in ${side}` : ""}: ${name}: ${why}`, "bad small", $("failures"));
element("option", "all admitted metrics", null, $("order")).value = "";
for (const [name, entry] of Object.entries(report.metrics)) if (entry.better)
  element("option", entry.label, null, $("order")).value = name;
const embedded = Object.keys(data.videos).length;
$("clips-note").textContent = `The ${embedded} worst of ${report.clips.length} clips are here with their videos. `
  + "Space plays, arrows step.";
for (const line of Object.values(report.skipped)) element("p", line, null, $("skipped"));
$("settings").textContent = JSON.stringify({ settings, definitions: Object.fromEntries(
  [...Object.entries(report.metrics), ...Object.entries(report.sets)].map(([name, entry]) => [name, entry.definition]))
}, null, 1);
const lengths = Object.values(data.videos).flatMap(Object.values).map(video => video.frames / video.fps);
duration = Math.max(0, ...lengths) || 1;
figures(); ladder(); cards();
</script>
</body>
</html>
"""
