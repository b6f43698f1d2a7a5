/** The studio: one page on which a scene is directed and filmed. */

import { api, ApiError, follow } from "./api";
import type { Job } from "./api";
import { FIRST_SCENE, FIRST_SHOT } from "./first";
import type { FirstSight } from "./first";
import { pack, unpack } from "./bundle";
import { changeMotion, newDocument, placeShot, putLook, readDocument, sceneRequest, snap, toMotion } from "./document";
import type { SceneDocument, Waypoint } from "./document";
import { save } from "./dom";
import { KeyList, skipLinks } from "./keys";
import { Mending } from "./mending";
import { Panel } from "./panel";
import { bend } from "./pose";
import { readContent } from "./solved";
import { RoughView } from "./rough";
import { rove } from "./roving";
import { Shot } from "./shot";
import { State } from "./state";
import { Still } from "./still";
import { fileName } from "./take_facts";
import { Takes } from "./takes";
import { leavesOut, takeOf, videoRequest, wordsOf } from "./taking";
import { Timeline } from "./timeline";
import { View } from "./view";
import type { HandleId } from "./view";
import "./style.css";

const KEPT = "kinema.studio";
const PAUSE = 350; // milliseconds of quiet before an edit goes to the server
const LOOK = 2000; // milliseconds between looks for a server that is gone
const NARROW = 1000; // pixels below which the takes make room for the view until there is one

const $ = <T extends HTMLElement>(selector: string): T => {
  const found = document.querySelector<T>(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
};

const state = new State();
const view = new View($("#stage"), $("#shot"), [$("#takes"), $("#panel")]);
const shot = new Shot($("#shot"), state);
const keyList = new KeyList();
const timeline = new Timeline($("#timeline"), state);
const takes = new Takes($("#takes"), state, (take) => void reopen(take));
const panel = new Panel($("#panel"), state, view, () => void film());
panel.onPasses = (model) => makePasses(model).catch((error: unknown) => void trouble(error));
panel.onExport = (format) => exportMotions(format).catch((error: unknown) => void trouble(error));
panel.onBend = (id, to) => state.edit(dragged(state.doc, id, to), `bend ${id.index} ${id.joint}`);

// Keeping: in the browser at once, on the server after a moment of quiet; the server makes the motions.

let waiting: ReturnType<typeof setTimeout> | undefined;
let following: (() => void) | null = null;
let sending = false;
let unsent = false;
/** The latest edit by number, and the one whose scene is shown. */
let edited = 0;
let shown = -1;

function keep(): void {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ id: state.sceneId, doc: state.doc }));
  } catch {
    // no room or no permission: the server keeps it all the same
  }
  unsent = true;
  edited++;
  state.stale = true;
  clearTimeout(waiting);
  waiting = setTimeout(() => void send(), PAUSE);
  state.say("status");
}

async function send(): Promise<void> {
  if (sending || !unsent || view.busy) {
    if (unsent) waiting = setTimeout(() => void send(), PAUSE);
    return;
  }
  sending = true;
  unsent = false;
  const edit = edited;
  try {
    const body = sceneRequest(state.doc);
    let job: Job;
    try {
      job = state.sceneId ? await api.editScene(state.sceneId, body) : await api.make("scene", body);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404 && state.sceneId)) throw error;
      job = await api.make("scene", body); // deleted elsewhere: kept anew
    }
    state.sceneId = job.id;
    state.problem = null;
    localStorage.setItem(KEPT, JSON.stringify({ id: state.sceneId, doc: state.doc }));
    watch(job, edit);
  } catch (error) {
    unsent = trouble(error) || unsent;
  } finally {
    sending = false;
    state.say("status");
  }
}

function watch(job: Job, edit: number): void {
  following?.();
  state.making = { progress: 0, stage: "waiting" };
  state.say("status");
  following = follow(job, (now) => {
    if (!now || now.revision < job.revision) return;
    state.making = now.status === "completed" || now.status === "failed" ? null : { progress: now.progress, stage: now.stage || "waiting" };
    if (now.status === "failed") state.problem = now.error?.message ?? "the scene could not be made";
    if (now.status === "completed") {
      state.problem = null;
      state.unlearned = (now.details.unlearned ?? []) as State["unlearned"];
      void load(now.id, edit);
    }
    state.say("status");
  });
}

async function load(id: string, edit: number): Promise<void> {
  try {
    const content = await api.sceneContent(id);
    if (edit < shown) return; // an answer that was overtaken
    shown = edit;
    state.solved = readContent(content);
    state.fresh = false;
    state.onServer = true;
    state.stale = shown !== edited;
    view.setSolved(state.solved);
    state.say("scene", "time", "status");
  } catch (error) {
    trouble(error);
  }
}

/** Says what went wrong; true where it is worth trying again. */
function trouble(error: unknown): boolean {
  if (error instanceof ApiError) {
    if (error.gone) {
      goOffline();
      return true;
    }
    state.problem = error.status === 429 ? `the server is busy: ${error.message}` : error.code === "invalid_camera" ? "The camera's words are not understood: see Camera." : error.message;
    if (error.status === 429) {
      setTimeout(() => void send(), 1000 * (error.retryAfter ?? 5));
      state.say("status");
      return true;
    }
  } else {
    state.problem = String(error);
  }
  state.say("status");
  return false;
}

function goOffline(): void {
  if (state.offline) return;
  state.offline = true;
  state.say("status");
  panel.build();
  const timer = setInterval(() => {
    void api.healthy().then((well) => {
      if (!well) return;
      clearInterval(timer);
      state.offline = false;
      state.problem = null;
      state.say("status");
      panel.build();
      void takes.refresh().catch(trouble);
      void send();
    });
  }, LOOK);
}

// Filming: a take has a scene of its own, so that it can be reopened as it was.

/** Whether a take is being asked for: a second click asks for no second one. */
let filming = false;

function setFilming(on: boolean): void {
  filming = on;
  panel.filming = on;
}

async function film(): Promise<void> {
  if (filming) return;
  setFilming(true);
  shot.toggle(false);
  showTakes(true);
  try {
    const copy = { ...state.doc, notes: { ...state.doc.notes, take: true } };
    const scene = await api.make("scene", sceneRequest(copy));
    state.making = { progress: 0, stage: "preparing a take" };
    state.say("status");
    follow(scene, (now) => {
      if (!now || now.status === "failed") setFilming(false);
      if (now?.status === "failed") {
        state.making = null;
        state.problem = now.error?.message ?? "the scene could not be made";
        state.say("status");
      }
      if (now?.status !== "completed") return;
      state.making = null;
      state.say("status");
      const words = wordsOf(copy, takeOf(copy, state.usual).people);
      void api
        .make("video", videoRequest(copy, scene.id, words, state.usual))
        .then((job) => takes.add(job, copy.title))
        .catch(trouble)
        .finally(() => setFilming(false));
    });
  } catch (error) {
    setFilming(false);
    trouble(error);
  }
}

async function reopen(take: Job): Promise<void> {
  try {
    const scene = await api.job("scene", String(take.request.scene));
    const doc = readDocument(scene.request);
    if (typeof doc === "string") throw new ApiError(422, "unreadable", doc);
    delete doc.notes.take;
    open(doc);
  } catch (error) {
    trouble(error);
  }
}

function open(doc: SceneDocument): void {
  state.edit(doc);
  state.person = 0;
  state.select(null);
  state.seek(0);
}

// Files: a saved scene carries what it uses.

async function saveScene(): Promise<void> {
  const { doc } = state;
  const packed = await pack(doc, async (id) => ({ name: (await api.uploaded(id)).filename, content: await api.file(`v1/files/${id}/content`) }));
  save(fileName(doc.title, ".kinema.json"), packed);
}

async function openFile(file: File): Promise<void> {
  const doc = await unpack(await file.text(), async (carried) => (await api.upload(carried)).id);
  if (typeof doc === "string") {
    state.problem = `${file.name}: ${doc}`;
    state.say("status");
  } else open(doc);
}

/** Whether the scene is made as it stands here; what is just being made is waited for. */
async function settled(): Promise<boolean> {
  while (state.stale || state.making) {
    if (state.offline || state.problem) return false;
    await new Promise((go) => setTimeout(go, PAUSE));
  }
  return true;
}

/** The motions of everybody, or of the only one, as files; what is just being made is waited for. */
async function exportMotions(format: string): Promise<void> {
  if (!(await settled())) return;
  const alone = state.doc.people.length === 1;
  const content = await api.motions(state.sceneId ?? "", format, alone ? 0 : null);
  save(fileName(state.doc.title, alone ? `.${format}` : `-${format}.zip`), content);
}

/** What a published model reads of the scene; what is just being made is waited for. */
async function makePasses(model: string): Promise<void> {
  if (!(await settled())) return;
  save(fileName(state.doc.title, `-${model}.zip`), await api.passes(state.sceneId ?? "", model, state.doc.notes.pictures[0] ?? null));
}

// Directing in 3D

view.onPick = (id) => {
  if (id?.kind === "shot") return; // it is dragged, and has no numbers
  if (id && id.kind !== "place") state.select(id.kind === "heading" ? { ...id, kind: "path" } : id);
  else if (id) {
    state.person = id.person;
    state.select(null);
  }
};
view.onDrag = (id, position, done) => {
  if (!done) return;
  state.edit(dragged(state.doc, id, position));
};

function dragged(doc: SceneDocument, id: HandleId, position: [number, number, number]): SceneDocument {
  const round = (n: number): number => Math.round(1000 * n) / 1000;
  const person = doc.people[id.person];
  if (id.kind === "shot") return placeShot(doc, snap(state.time), position.map(round) as [number, number, number], (time) => view.shotAt(time), state.seconds);
  if (id.kind === "camera" || id.kind === "aim") {
    const at = position.map(round) as [number, number, number];
    const keys = doc.camera.keys.map((k, i) => (i === id.index ? (id.kind === "camera" ? { ...k, position: at } : { ...k, target: at }) : k));
    return { ...doc, camera: { ...doc.camera, keys } };
  }
  if (!person) return doc;
  if (id.kind === "place") {
    const begin = view.jointsAt(id.person, 0)?.[0] ?? [0, 0, 0];
    const place = { ...person.place, x: round(person.place.x + position[0] - begin[0]), z: round(person.place.z + position[2] - begin[2]) };
    return { ...doc, people: doc.people.map((p, i) => (i === id.person ? { ...p, place } : p)) };
  }
  const { joint } = id;
  if (id.kind === "pose" && joint !== undefined) {
    return changeMotion(doc, id.person, (m) => ({ ...m, poses: m.poses.map((k, i) => (i === id.index ? { ...k, joints: bend(k.joints, joint, toMotion(person, position)) } : k)) }));
  }
  const [x, y, z] = toMotion(person, position).map(round) as [number, number, number];
  if (id.kind === "heading") {
    const turned = (k: Waypoint): number => Math.round((Math.atan2(x - k.x, z - k.z) * 180) / Math.PI);
    return changeMotion(doc, id.person, (m) => ({ ...m, path: m.path.map((k, i) => (i === id.index ? { ...k, heading: turned(k) } : k)) }));
  }
  return changeMotion(doc, id.person, (m) =>
    id.kind === "path"
      ? { ...m, path: m.path.map((k, i) => (i === id.index ? { ...k, x, z } : k)) }
      : { ...m, targets: m.targets.map((k, i) => (i === id.index ? { ...k, position: [x, y, z] } : k)) });
}

function removeSelected(): void {
  const { selection, doc, person } = state;
  if (!selection) return;
  const without = <T>(list: T[]): T[] => list.filter((_, i) => i !== selection.index);
  if (selection.kind === "camera" || selection.kind === "aim") state.edit({ ...doc, camera: { ...doc.camera, keys: without(doc.camera.keys) } });
  else if (selection.kind === "block") {
    const blocks = doc.people[person]?.motion.blocks ?? [];
    const leads = (i: number): boolean => ["whole_body", "lower_body"].includes(blocks[i]?.parts[0] ?? "");
    if (leads(selection.index) && blocks.filter((_, i) => leads(i)).length === 1) {
      state.problem = "one block of words for the whole body stays; change its words instead";
      state.say("status");
      return;
    }
    state.edit(changeMotion(doc, person, (m) => ({ ...m, blocks: without(m.blocks) })));
  } else if (selection.kind === "path") state.edit(changeMotion(doc, person, (m) => ({ ...m, path: m.path.length <= 2 ? [] : without(m.path) })));
  else if (selection.kind === "pose") state.edit(changeMotion(doc, person, (m) => ({ ...m, poses: without(m.poses) })));
  else if (selection.kind === "target") state.edit(changeMotion(doc, person, (m) => ({ ...m, targets: without(m.targets) })));
  state.select(null);
}

// The bar

function showTakes(on: boolean): void {
  $("#takes").hidden = !on;
  $("[data-act=takes]").setAttribute("aria-expanded", String(on));
}

function act(command: string): void {
  if (command === "play") {
    state.playing = !state.playing;
    if (state.playing && state.time >= state.seconds - 0.05) state.seek(0);
    $("#play").textContent = state.playing ? "❚❚" : "▶";
    $("#play").setAttribute("aria-label", state.playing ? "Pause" : "Play");
  } else if (command === "undo" && state.history.undo()) state.say("document");
  else if (command === "redo" && state.history.redo()) state.say("document");
  else if (command === "new") open(newDocument());
  else if (command === "save") void saveScene().catch(trouble);
  else if (command === "open") $<HTMLInputElement>("#file").click();
  else if (command === "theme") {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(`${KEPT}.theme`, theme);
    view.theme();
  } else if (command === "takes") showTakes($("#takes").hasAttribute("hidden"));
  else if (command === "see") view.seeAll();
  else if (command === "keys") keyList.open();
  if (command === "undo" || command === "redo") {
    const chosen = state.selection; // a pose that is being bent goes on being bent
    const stays = chosen?.kind === "pose" && state.doc.people[chosen.person]?.motion.poses[chosen.index];
    state.select(stays ? chosen : null);
  }
}

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-act]")) button.addEventListener("click", () => act(button.dataset.act ?? ""));
$<HTMLInputElement>("#title").addEventListener("input", (event) => state.edit({ ...state.doc, title: (event.target as HTMLInputElement).value }, "title"));
$<HTMLInputElement>("#file").addEventListener("change", (event) => {
  const input = event.target as HTMLInputElement;
  const file = input.files?.[0];
  input.value = "";
  if (!file) return;
  void openFile(file);
});

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || event.target instanceof HTMLTextAreaElement;
  const meta = event.ctrlKey || event.metaKey;
  if (meta && event.key.toLowerCase() === "z") act(event.shiftKey ? "redo" : "undo");
  else if (meta && event.key.toLowerCase() === "y") act("redo");
  else if (meta && event.key.toLowerCase() === "s") act("save");
  else if (meta && event.key === "Enter") void film();
  else if (typing || meta || document.querySelector("dialog[open]")) return;
  else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) act("play");
  else if (event.key === "Home") state.seek(0);
  else if (event.key === "End") state.seek(state.seconds);
  else if (event.key === "ArrowLeft" || event.key === "ArrowRight") state.seek(state.time + (event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 1 : 0.05));
  else if (event.key === "Delete" || event.key === "Backspace") removeSelected();
  else if (event.key === "?") act("keys");
  else if (event.key === "f") act("see");
  else if (event.key === "v") shot.toggle();
  else if (event.key === "Escape" && shot.large) shot.toggle(false);
  else if (event.key === "b") timeline.add(state.time, ["whole_body"]);
  else return;
  event.preventDefault();
});

const output = $<HTMLOutputElement>("#clock");
const rough = new RoughView($("#shot"), state, shot, (covers) => (view.covered = covers));
const still = new Still($<HTMLImageElement>("#still"), state, shot, () => rough.covers);
shot.onSize = () => {
  rough.ask();
  still.ask();
};
shot.onShape = () => view.lookAgain(true);
const mending = new Mending(state);
panel.onCheck = (person) => mending.open(person, (look) => state.edit(putLook(state.doc, person, look)));

for (const stop of [...document.querySelectorAll<HTMLElement>("#bar .group"), $("#takes .takes")]) rove(stop);
skipLinks($("#skips"), [
  ["To the words", () => $("#panel").querySelector("#block-text, [aria-label^='Words'] button")],
  ["To the timeline", () => $("#timeline [role=slider]")],
  ["To the takes", () => {
    showTakes(true);
    return $("#takes").querySelector(".takes [tabindex='0']") ?? $("#takes");
  }],
  ["To Film", () => $("#film")],
]);

function show(): void {
  const take = takeOf(state.doc, state.usual);
  view.filmed = leavesOut(state.doc, take) ? (take.people[0] ?? null) : null;
  view.setDocument(state.doc, state.person, state.selection?.kind === "block" ? null : state.selection);
}
let untouched: SceneDocument | null = null;
state.on("document", () => {
  untouched ??= state.doc;
  if (state.doc !== untouched) state.fresh = false;
  show();
  const title = $<HTMLInputElement>("#title");
  if (document.activeElement !== title) title.value = state.doc.title;
  $<HTMLButtonElement>("[data-act=undo]").disabled = !state.history.canUndo;
  $<HTMLButtonElement>("[data-act=redo]").disabled = !state.history.canRedo;
  keep();
});
state.on("selection", show);
state.on("time", () => {
  view.setTime(state.time);
  rough.ask();
  still.ask();
  const clock = `${state.time.toFixed(1)} s · ${Math.round(20 * state.time)}`;
  if (output.textContent !== clock) output.textContent = clock;
});
state.on("status", () => {
  const line = $("#status");
  line.className = state.offline || state.problem ? "wrong" : "";
  line.textContent = state.offline
    ? "The server is gone. What you do is kept here, and sent when it returns."
    : (state.problem ?? (state.fresh ? "Ready: say what happens, then film a take." : unsent || sending ? "Saving…" : state.making ? making(state.making) : state.sceneId ? "Saved" : ""));
  line.title = line.textContent ?? "";
  rough.ask();
  still.ask();
});

function making({ stage, progress }: { stage: string; progress: number }): string {
  return stage === "waiting" ? "Waiting for the server to begin…" : `${stage} ${progress} %`;
}

let last = performance.now();
function tick(now: number): void {
  if (state.playing) {
    const next = state.time + (now - last) / 1000;
    if (next >= state.seconds) state.seek(0);
    else state.seek(next);
    view.touch();
  }
  last = now;
  view.draw();
  requestAnimationFrame(tick);
}

function begin(): void {
  const usual = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = localStorage.getItem(`${KEPT}.theme`) ?? usual;
  view.theme();
  showTakes(innerWidth >= NARROW);
  requestAnimationFrame(tick);
  takeUp();
  void connect();
}

/** The document that the browser keeps, or an empty one, which is seen before the server has done anything. */
function takeUp(): void {
  let kept: { id: string | null; doc: unknown } | null = null;
  try {
    kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
  } catch {
    // nothing that can be read
  }
  const doc = kept ? readDocument(kept.doc) : "nothing";
  state.history.reset(typeof doc === "string" ? newDocument() : doc);
  state.sceneId = typeof doc === "string" ? null : (kept?.id ?? null);
  if (typeof doc === "string") void firstSight().catch(() => {}); // without it one waits for the server's motion
}

async function firstSight(): Promise<void> {
  const doc = state.doc;
  new Image().src = FIRST_SHOT; // asked for along with the scene
  const first = (await (await fetch(FIRST_SCENE)).json()) as FirstSight;
  if (state.solved || state.doc !== doc) return;
  view.setSkeleton(first.parents);
  state.solved = readContent(first.scene);
  state.fresh = true;
  show();
  view.setSolved(state.solved);
  state.say("scene", "time", "status");
}

async function connect(): Promise<void> {
  try {
    state.catalogue = await api.catalogue();
  } catch (error) {
    trouble(error);
    setTimeout(() => void connect(), LOOK);
    return;
  }
  view.setSkeleton(state.catalogue.parents);
  document.documentElement.dataset.ready = "true";
  state.say("document", "selection", "time");
  await takes.refresh().catch(trouble);
}

/** For tests and for the curious: figures that the page measures of itself. */
declare global {
  interface Window {
    kinemaStudio: { fps: () => number; roughFps: () => number; state: State; view: View };
  }
}
window.kinemaStudio = { fps: () => view.fps, roughFps: () => rough.fps, state, view };
begin();
