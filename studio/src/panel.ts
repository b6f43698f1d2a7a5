/** The panel on the right: the cast and its words, the camera, and how a take is filmed. */

import { picture } from "./access";
import { api, ApiError } from "./api";
import { CameraField } from "./camera_field";
import { addPerson, byWords, changeMotion, changePerson, everybodyOf, MOST_PEOPLE, PLAIN, putKey, putLook, putPicture, removePerson, snap, TARGET_JOINTS, toMotion, toWorld, UPRIGHT, WIDE } from "./document";
import { actorPicture } from "./first";
import type { MotionRequest, Pose, Target, Vec3, Waypoint } from "./document";
import { el, field, number, select } from "./dom";
import { LibrarySearch } from "./library";
import { ARRANGEMENTS, arrange } from "./meeting";
import { PictureGuide, Verdicts } from "./picture_guide";
import { BODY, handleAt, HANDLES } from "./pose";
import { presets } from "./presets";
import { rove } from "./roving";
import type { State } from "./state";
import { invitation, leavesOut, takeOf } from "./taking";
import { COLOURS } from "./view";
import type { HandleId, View } from "./view";

const ACTORS = 24;
const MADE_BY = { rough: "rough take", stage: "the stage", model: "embedded model" };
const HINTS = {
  rough: "The picture's own person is moved, at the picture's size, in seconds. A video model makes new pictures instead.",
  mixed: "People of pictures are moved in the first picture's room; whoever has none is their actor.",
  stage: "Everybody, as the red frame shows them, in seconds. Give them pictures of your own, or choose a video model for one of them.",
  model: "",
  embedded: "The embedded video model makes new pictures of one person, 96 by 128 pixels. “The stage” films what the red frame shows, larger.",
  unpictured: "The actors of the stage are filmed: your own pictures are not in it.",
};
const FRAMES: [size: string, label: string][] = [[WIDE, "wide, 4:3"], ["160x90", "wide, 16:9"], ["128x128", "square"], [UPRIGHT, "upright, 3:4"]];

export class Panel {
  /** A joint of a held pose is moved with keys. */
  onBend: (id: HandleId, to: Vec3) => void = () => {};
  /** The motions are wanted as files of a format. */
  onExport: (format: string) => Promise<void> = async () => {};
  /** What a published model reads of the scene is wanted as files. */
  onPasses: (model: string) => Promise<void> = async () => {};
  private profiles: string[] | null = null;
  private profile = "vace";
  /** A person's own picture is to be checked. */
  onCheck: (person: number) => void = () => {};
  private readonly cast = el("section", { "aria-label": "Cast" });
  private readonly words = el("section", { "aria-label": "Words and keyframes" });
  private readonly camera = el("section", { "aria-label": "Camera" });
  private readonly start: HTMLButtonElement;
  private busy = false;
  /** What was said last of words that the model has not learned. */
  private said = "[]";
  private readonly library = new LibrarySearch();
  private readonly cameraWords = new CameraField(
    (text) => this.state.edit({ ...this.state.doc, camera: { ...this.state.doc.camera, text } }),
    () => { this.state.edit({ ...this.state.doc, camera: { ...this.state.doc.camera, keys: [] } }); this.state.select(null); },
  );
  private readonly guide = new PictureGuide();
  private readonly verdicts = new Verdicts(() => this.build());
  private readonly film = el("section", { "aria-label": "Film" });

  constructor(
    host: HTMLElement,
    private readonly state: State,
    private readonly view: View,
    onFilm: () => void,
  ) {
    this.start = el("button", { type: "button", id: "film", class: "primary", onclick: onFilm }, "Film a take");
    const ways = el("div", { class: "ways", role: "toolbar", "aria-label": "Parts of the panel" }, ...([["Cast", this.cast], ["Motion", this.words], ["Camera", this.camera], ["Film", this.film]] as const).map(([name, section]) =>
      el("button", { type: "button", class: "quiet", id: `way-${name.toLowerCase()}`, onclick: () => section.scrollIntoView({ block: "start" }) }, name)));
    rove(ways);
    host.append(ways, this.cast, this.words, this.camera, this.film, el("div", { class: "start" }, this.start));
    for (const change of ["document", "selection"] as const) state.on(change, () => this.build());
    state.on("scene", () => {
      const said = JSON.stringify(state.unlearned);
      if (said === this.said) return;
      this.said = said;
      this.redraw(this.words, this.wordParts());
    });
    this.build();
  }

  /** While a take is being asked for, no other is. */
  set filming(on: boolean) {
    this.busy = on;
    this.build();
  }

  build(): void {
    if (!this.state.catalogue) return;
    this.redraw(this.cast, this.castParts());
    this.redraw(this.words, this.wordParts());
    this.redraw(this.camera, this.cameraParts());
    this.redraw(this.film, this.filmParts());
    this.start.disabled = this.busy || this.state.offline;
    const { doc } = this.state;
    const take = takeOf(doc, this.state.usual);
    this.start.textContent = this.busy ? "Sending…" : invitation(doc, take);
    this.start.title = leavesOut(doc, take) ? "Ctrl+Enter. Who is filmed is chosen under Film" : "Ctrl+Enter";
  }

  /** Puts new content in; whoever was typing goes on typing. */
  private redraw(section: HTMLElement, parts: (Node | null)[]): void {
    const active = document.activeElement;
    const id = active && section.contains(active) ? active.id : "";
    const range = active instanceof HTMLInputElement && active.type === "text" ? [active.selectionStart, active.selectionEnd] : null;
    section.replaceChildren(...parts.filter((p): p is Node => p !== null));
    if (!id) return;
    const again = section.querySelector<HTMLElement>(`#${id}`);
    again?.focus();
    if (range && again instanceof HTMLInputElement) again.setSelectionRange(range[0] ?? 0, range[1] ?? 0);
  }

  private castParts(): (Node | null)[] {
    const { state } = this;
    const { doc } = state;
    const tabs = el("div", { class: "people", role: "tablist", "aria-label": "People" });
    doc.people.forEach((person, i) => {
      const tab = el("button", { type: "button", role: "tab", id: `person-${i}`, "aria-selected": i === state.person ? "true" : "false",
        onclick: () => { state.person = i; state.select(null); } }, person.name || `Person ${i + 1}`);
      tab.style.setProperty("--colour", COLOURS[i % COLOURS.length] ?? "#888");
      tabs.append(tab);
    });
    rove(tabs);
    const cast = el("div", { class: "cast" }, tabs, el("button", { type: "button", class: "quiet", title: "Add a person", "aria-label": "Add a person", onclick: () => { state.edit(addPerson(doc)); state.person = state.doc.people.length - 1; state.select(null); } }, "+"));
    const person = doc.people[state.person];
    if (!person) return [cast];
    const p = state.person;
    const own = doc.notes.pictures[p] ?? null;
    const shown = picture(own ? `v1/files/${own}/content` : actorPicture(person.actor), { class: "portrait", alt: own ? "the uploaded character" : `actor ${person.actor} of the stage` });
    const wardrobe = el("div", { class: "wardrobe", role: "group", "aria-label": "Actors of the stage" });
    const seeds = Array.from({ length: 6 }, (_, i) => (Math.floor(person.actor / 6) % (ACTORS / 6)) * 6 + i);
    for (const seed of seeds) {
      wardrobe.append(el("button", { type: "button", "aria-pressed": !own && seed === person.actor ? "true" : "false", "aria-label": `actor ${seed}`,
        onclick: () => state.edit(putPicture(changePerson(doc, p, (q) => ({ ...q, actor: seed })), p, null)) },
        picture(actorPicture(seed))));
    }
    const more = el("button", { type: "button", class: "quiet", "aria-label": "Other actors", title: "Other actors", onclick: () => state.edit(changePerson(doc, p, (q) => ({ ...q, actor: (Math.floor(q.actor / 6) * 6 + 6) % ACTORS }))) }, "›");
    wardrobe.append(more);
    this.guide.onPicture = (picture) => state.edit(putPicture(state.doc, p, picture));
    const upload = el("button", { type: "button", class: "quiet", id: "own-picture", onclick: () => this.guide.open() }, "A picture of your own…");
    const place = person.place;
    const put = (change: Partial<typeof place>): void => state.edit(changePerson(state.doc, p, (q) => ({ ...q, place: { ...q.place, ...change } })), `place ${p}`);
    return [
      el("h2", {}, "Cast"), cast,
      el("div", { class: "who" }, shown, el("div", {}, wardrobe, el("div", { class: "buttons" }, upload,
        own ? el("button", { type: "button", id: "check", title: "What to expect of this picture; joints and mask can be mended", onclick: () => this.onCheck(p) }, "Check") : null))),
      own ? this.verdicts.line(own, doc.notes.looks[p] ?? null) : null,
      ...this.othersOf(own),
      el("div", { class: "grid4" },
        field("x, m", number(place.x, { min: -50, max: 50, step: 0.1 }, (v) => put({ x: v ?? 0 }))),
        field("z, m", number(place.z, { min: -50, max: 50, step: 0.1 }, (v) => put({ z: v ?? 0 }))),
        field("turn, °", number(place.turn, { min: -360, max: 360, step: 5 }, (v) => put({ turn: v ?? 0 }))),
        field("delay, s", number(place.delay, { min: 0, max: 30, step: 0.1 }, (v) => put({ delay: v ?? 0 }))),
      ),
      doc.people.length > 1 ? el("div", { class: "buttons arrange", role: "group", "aria-label": "Where everybody stands" }, ...ARRANGEMENTS.map(([how, label, title]) =>
        el("button", { type: "button", id: `arrange-${how}`, title, onclick: () => { this.view.lookAgain(); state.edit(arrange(state.doc, how)); state.select(null); } }, label))) : null,
      doc.people.length > 1 ? el("button", { type: "button", class: "quiet", onclick: () => { state.edit(removePerson(doc, p)); state.select(null); } }, `Remove ${person.name || "this person"}`) : null,
    ];
  }

  /** Of a picture of several people: who of them moves here, and all of them at once. */
  private othersOf(picture: string | null): Node[] {
    const { state } = this;
    const { doc, person: p } = state;
    const count = picture ? this.verdicts.people(picture) : 1;
    if (!picture || count < 2) return [];
    const look = doc.notes.looks[p] ?? PLAIN;
    const who = select([["", "the largest"], ...Array.from({ length: count }, (_, i): [string, string] => [String(i), `${i + 1}. from the left`])], String(look.who ?? ""),
      (v) => state.edit(putLook(state.doc, p, { ...PLAIN, clothes: look.clothes, legs: look.legs, who: v === "" ? null : Number(v) })));
    const all = el("button", { type: "button", id: "everybody-in-picture", title: "Everybody of the picture becomes a person of the scene", onclick: () => state.edit(everybodyOf(state.doc, p, picture, count)) }, `Move all ${Math.min(count, MOST_PEOPLE)}`);
    return [el("div", { class: "grid2" }, field("Who in the picture", who), el("div", { class: "end" }, all))];
  }

  private wordParts(): (Node | null)[] {
    const { state } = this;
    const p = state.person;
    const person = state.doc.people[p];
    if (!person || !state.catalogue) return [];
    const motion = person.motion;
    const heading = el("h2", {}, "Motion");
    const change = (next: Partial<typeof motion>, name = ""): void => state.edit(changeMotion(state.doc, p, (m) => ({ ...m, ...next })), name);
    const source = fileButton(motion.file ? "Another file…" : "From a video or a file…", ".bvh,.glb,.npz,.npy,.mp4,.mov,.webm,.mkv,.avi", async (file) => {
      const stored = await api.upload(file);
      if (stored.kind === "picture") throw new ApiError(415, "wrong_kind", `“${file.name}” is a picture: choose a motion or a video here; a picture of somebody goes to Cast, “A picture of your own…”`);
      const doc = changeMotion(state.doc, p, (m) => ({ ...m, file: stored.id, clip: null, mirrored: false }));
      state.edit({ ...doc, notes: { ...doc.notes, files: doc.notes.files.map((old, i) => (i === p ? stored.filename : old)) } });
    }, this.trouble);
    this.library.mark(motion.clip);
    this.library.choose = (clip) => {
      const doc = changeMotion(state.doc, p, (m) => ({ ...m, file: null, clip: clip.id, mirrored: clip.mirrored }));
      state.edit({ ...doc, notes: { ...doc.notes, files: doc.notes.files.map((old, i) => (i === p ? clip.caption : old)) } });
      state.select(null);
    };
    const chosen = state.selection;
    const pose = chosen?.kind === "pose" ? motion.poses[chosen.index] : undefined;
    if (chosen?.kind === "pose" && pose) return [heading, ...this.poseParts(chosen, pose)];
    if (!byWords(motion)) {
      const name = state.doc.notes.files[p] ?? "A file";
      return [heading, el("p", {}, `${motion.clip ? `“${name}”, from the library,` : name} moves ${person.name || "this person"}.`), this.library.element,
        el("div", { class: "buttons" }, source,
          el("button", { type: "button", class: "quiet", id: "to-words", onclick: () => change({ file: null, clip: null, mirrored: false }) }, "Back to words"))];
    }
    const keyed = this.keyParts(motion, change);
    if (keyed) return [heading, ...keyed];
    const index = state.selection?.kind === "block" ? state.selection.index : 0;
    const block = motion.blocks[index];
    const parts: (Node | null)[] = [heading];
    if (block) {
      const text = el("input", { id: "block-text", type: "text", value: block.text, maxlength: 400, autocomplete: "off",
        oninput: () => { if (text.value.trim()) change({ blocks: motion.blocks.map((b, i) => (i === index ? { ...b, text: text.value } : b)) }, `text ${index}`); } });
      parts.push(field(`Words, ${block.start.toFixed(1)} to ${block.end.toFixed(1)} s`, text));
      const note = state.unlearned.find((each) => each.person === p && each.text === block.text)?.note;
      if (note) parts.push(el("p", { id: "unlearned", class: "unlearned", role: "note" }, note));
      parts.push(el("div", { class: "buttons sources" }, source), this.library.element);
      parts.push(el("div", { class: "grid2" },
        field("Body part", select(state.catalogue.body_parts.map((b) => [b, b.replaceAll("_", " ")]), block.parts[0] ?? "whole_body",
          (part) => change({ blocks: motion.blocks.map((b, i) => (i === index ? { ...b, parts: [part] } : b)) }))),
        field("Style", select([["", "from the words"], ...state.catalogue.styles.map((s): [string, string] => [s, s])], motion.style ?? "", (s) => change({ style: s || null })))));
    }
    const at = (joint: string): void => {
      const now = snap(state.time);
      const joints = this.view.jointsAt(p, now);
      const number = state.catalogue?.joints.indexOf(joint) ?? -1;
      const place = joints?.[number];
      if (place) {
        change({ targets: [...motion.targets.filter((t) => t.joint !== joint || Math.abs(t.time - now) > 1e-6), { joint, time: now, position: toMotion(person, place) }].sort((a, b) => a.time - b.time) });
      }
    };
    const joint = select([["", "Hand, foot…"], ...TARGET_JOINTS.map((j): [string, string] => [j, j.replace("_", " ")])], "", (j) => { if (j) at(j); });
    joint.setAttribute("aria-label", "Add a place for a hand or foot at the playhead");
    parts.push(el("div", { class: "buttons", role: "group", "aria-label": "Add at the playhead" },
      el("button", { type: "button", title: "The person passes this place at the playhead; drag the ring on the floor", onclick: () => {
        const now = snap(state.time);
        const joints = this.view.jointsAt(p, now);
        const [x, , z] = toMotion(person, joints?.[0] ?? [0, 0, 0]);
        const begin = motion.path.length ? motion.path : [{ time: 0, x: 0, z: 0, heading: null }];
        change({ path: putKey(begin, { time: now, x: +x.toFixed(3), z: +z.toFixed(3), heading: null }) });
      } }, "Path point"),
      el("button", { type: "button", title: "Hold the pose at the playhead, whatever the words become, and bend it", onclick: () => {
        const now = snap(state.time);
        const joints = this.view.jointsAt(p, now);
        if (!joints) return;
        const poses = putKey(motion.poses, { time: now, joints: joints.map((j) => toMotion(person, j)) });
        change({ poses });
        state.select({ kind: "pose", person: p, index: poses.findIndex((k) => k.time === now) });
      } }, "Pose"), joint));
    parts.push(field("Seed", number(motion.seed, { min: 0, max: 2147483647, step: 1 }, (v) => change({ seed: v ?? 0 }, "seed"))));
    return parts;
  }

  /** The numbers of a path point or of a place for a hand or foot, for whoever does not drag it. */
  private keyParts(motion: MotionRequest, change: (next: Partial<MotionRequest>, name?: string) => void): Node[] | null {
    const chosen = this.state.selection;
    const done = el("div", { class: "buttons" }, el("button", { type: "button", class: "quiet", onclick: () => this.state.select(null) }, "Done"));
    const metres = { min: -100, max: 100, step: 0.05 };
    if (chosen?.kind === "path" && motion.path[chosen.index]) {
      const point = motion.path[chosen.index] as Waypoint;
      const put = (next: Partial<Waypoint>): void => change({ path: motion.path.map((k) => (k === point ? { ...k, ...next } : k)) }, "point");
      return [el("p", {}, `Path point at ${point.time.toFixed(2)} s: drag the ring, and the arrow for where the person faces.`),
        el("div", { class: "grid4 three" },
          field("x, m", number(point.x, metres, (x) => put({ x: x ?? 0 }))), field("z, m", number(point.z, metres, (z) => put({ z: z ?? 0 }))),
          field("facing, °", number(point.heading, { min: -360, max: 360, step: 5, empty: "as they go" }, (h) => put({ heading: h })))), done];
    }
    if (chosen?.kind === "target" && motion.targets[chosen.index]) {
      const target = motion.targets[chosen.index] as Target;
      const put = (axis: number, value: number): void => change({ targets: motion.targets.map((k) => (k === target ? { ...k, position: k.position.map((old, i) => (i === axis ? value : old)) as Vec3 } : k)) }, "target");
      return [el("p", {}, `The ${target.joint.replace("_", " ")} at ${target.time.toFixed(2)} s: drag the ball.`),
        el("div", { class: "grid4 three" }, ...["x, m", "y, m", "z, m"].map((name, axis) => field(name, number(+(target.position[axis] ?? 0).toFixed(3), metres, (v) => put(axis, v ?? 0))))), done];
    }
    return null;
  }

  /** A held pose: its joints, taken hold of in 3D or here and moved with keys. */
  private poseParts(chosen: HandleId, pose: Pose): Node[] {
    const { state } = this;
    const person = state.doc.people[chosen.person];
    const names = (joint: number): string => (joint === BODY ? "whole body" : (state.catalogue?.joints[joint] ?? String(joint)).replaceAll("_", " "));
    const take = (joint: number): void => {
      if (chosen.joint !== joint) state.select({ ...chosen, joint });
    };
    const nudge = (event: KeyboardEvent, joint: number): void => {
      const { right, up, away } = this.view.axes;
      const step = { ArrowRight: [right, 1], ArrowLeft: [right, -1], ArrowUp: [up, 1], ArrowDown: [up, -1], PageUp: [away, 1], PageDown: [away, -1] }[event.key] as [Vec3, number] | undefined;
      if (!step || !person) return;
      event.preventDefault();
      event.stopPropagation();
      const by = step[1] * (event.shiftKey ? 0.1 : 0.02);
      const [x, y, z] = toWorld(person, handleAt(pose.joints, joint));
      this.onBend({ ...chosen, joint }, [x + by * step[0][0], y + by * step[0][1], z + by * step[0][2]]);
    };
    return [
      el("p", {}, `The pose of ${person?.name || "this person"} at ${pose.time.toFixed(2)} s. Drag its joints in 3D, or choose one and use the arrow keys, Page Up and Page Down.`),
      el("div", { class: "joints", role: "group", "aria-label": "Joints of the pose" },
        ...HANDLES.map((joint) => el("button", { type: "button", id: `joint-${joint + 1}`, "aria-pressed": chosen.joint === joint ? "true" : "false",
          onclick: () => take(joint), onfocus: () => take(joint), onkeydown: (event: KeyboardEvent) => nudge(event, joint) }, names(joint)))),
      el("div", { class: "buttons" },
        el("button", { type: "button", onclick: () => state.seek(pose.time) }, "Go to it"),
        el("button", { type: "button", class: "quiet", onclick: () => {
          state.edit(changeMotion(state.doc, chosen.person, (m) => ({ ...m, poses: m.poses.filter((k) => k !== pose) })));
          state.select(null);
        } }, "Remove the pose"),
        el("button", { type: "button", class: "quiet", id: "pose-done", onclick: () => state.select(null) }, "Done")),
    ];
  }

  private cameraParts(): (Node | null)[] {
    const { state } = this;
    const camera = state.doc.camera;
    const change = (next: Partial<typeof camera>, name = ""): void => state.edit({ ...state.doc, camera: { ...state.doc.camera, ...next } }, name);
    this.cameraWords.show(camera);
    const key = (at: { position: [number, number, number]; target: [number, number, number]; fov: number } | null): void => {
      if (at) change({ keys: putKey(camera.keys, { time: snap(state.time), ...at }) });
    };
    const selected = state.selection?.kind === "camera" ? camera.keys[state.selection.index] : undefined;
    return [
      el("h2", {}, "Camera"),
      this.cameraWords.element,
      presets(camera.text, camera.keys.length > 0, (words) => change({ text: words })),
      el("div", { class: "buttons" },
        el("button", { type: "button", title: "The camera stands where you look from now", onclick: () => key(this.view.lookFrom()) }, "Key from this view"),
        el("button", { type: "button", title: "Keep the camera of this moment as a key that can be dragged", onclick: () => key(this.view.shotAt(state.time)) }, "Key from the shot"),
        camera.keys.length ? el("button", { type: "button", class: "quiet", onclick: () => { change({ keys: [] }); state.select(null); } }, "Remove keys") : null),
      selected ? field("Field of view, °", number(selected.fov, { min: 5, max: 120, step: 1 }, (v) => change({ keys: camera.keys.map((k) => (k === selected ? { ...k, fov: v ?? 40 } : k)) }, "fov")))
        : field("Follows", select([["auto", "whoever walks away"], ["none", "nobody"], ["pan", "by turning"], ["follow", "by moving along"]], camera.tracking, (v) => change({ tracking: v as typeof camera.tracking }))),
    ];
  }

  private filmParts(): (Node | null)[] {
    const { state } = this;
    const { catalogue } = state;
    if (!catalogue) return [];
    const film = state.doc.notes.film;
    const change = (next: Partial<typeof film>, name = ""): void => state.edit({ ...state.doc, notes: { ...state.doc.notes, film: { ...film, ...next } } }, name);
    const { doc } = state;
    const usual = catalogue.default_model;
    const take = takeOf(doc, usual);
    const byItself = takeOf({ ...doc, notes: { ...doc.notes, film: { ...film, model: null } } }, usual);
    const own = doc.notes.pictures.some(Boolean);
    const models = Object.entries(catalogue.models).filter(([name, place]) => (place === "embedded" || place === "in the cache") && name !== usual && (name !== "rough" || own));
    const people: [string, string][] = doc.people.map((q, i) => [String(i), q.name || `Person ${i + 1}`]);
    const one = take.kind === "model";
    return [
      el("h2", {}, "Film"),
      el("div", { class: one ? "grid2" : "" },
        field("Model", select([["", `${byItself.model ?? MADE_BY[byItself.kind]} (default)`], ...models.map(([n]): [string, string] => [n, n === "stage" ? MADE_BY.stage : n === "rough" ? MADE_BY.rough : n])], film.model === "rough" && !own ? "" : (film.model ?? ""), (v) => change({ model: v || null }))),
        ...(!one ? [] : [field("Control", select([["", "its own"], ...catalogue.controls.map((c): [string, string] => [c, c])], film.control ?? "", (v) => change({ control: v || null }))),
        field("Seed", number(film.seed, { min: 0, max: 2147483647, step: 1 }, (v) => change({ seed: v ?? 0 }, "film seed"))),
        field("Steps", number(film.steps, { min: 1, max: 200, step: 1, empty: "default" }, (v) => change({ steps: v }, "steps")))]),
      ),
      one && (take.model ?? "mini") !== "mini" ? null : el("p", { class: "hint", id: "film-hint" }, HINTS[one ? "embedded" : take.kind === "stage" && own ? "unpictured" : take.kind === "rough" && take.people.some((i) => !doc.notes.pictures[i]) ? "mixed" : take.kind]),
      people.length > 1 ? field("Who is filmed", select(one && film.model ? people : [["", "everybody"], ...people], one ? String(take.people[0] ?? 0) : String(film.person ?? ""), (v) => change({ person: v === "" ? null : Number(v) })),
        one ? `${film.model ?? byItself.model ?? "The embedded model"} films one person. What the others do stays on the stage${film.model || byItself.model ? "; the stage films everybody" : ""}.` : "") : null,
      people.length > 1 && take.people.length > 1 ? field("Frame", select(FRAMES, doc.size, (size) => state.edit({ ...state.doc, size }))) : null,
      el("div", { class: "buttons", role: "group", "aria-label": "Export the motion without filming" },
        el("span", { class: "hint" }, state.doc.people.length > 1 ? "Everybody's motion as files:" : "The motion as a file:"),
        ...["bvh", "glb", "npz"].map((format) => {
          const button = el("button", { type: "button", class: "quiet", id: `export-${format}`, title: "Without filming, at the scene's rate", onclick: () => {
            button.disabled = true;
            void this.onExport(format).finally(() => (button.disabled = false));
          } }, format === "npz" ? "npz" : format.toUpperCase());
          return button;
        })),
      this.passes(),
    ];
  }

  /** Films and files for other video models; which there are is asked when somebody wants them. */
  private passes(): HTMLElement {
    const group = (...inside: HTMLElement[]): HTMLElement =>
      el("div", { class: "buttons", role: "group", "aria-label": "Control passes" }, ...inside);
    if (!this.profiles) {
      const ask = el("button", { type: "button", class: "quiet", id: "passes-ask", title: "Skeletons, depth, masks and films for ComfyUI and diffusers", onclick: () => {
        ask.disabled = true;
        api.profiles().then((found) => { this.profiles = found; this.build(); }).catch(this.trouble).finally(() => (ask.disabled = false));
      } }, "Passes for another video model…");
      return group(ask);
    }
    const make = el("button", { type: "button", class: "quiet", id: "passes-make", title: "A zip with a README that says what goes where", onclick: () => {
      make.disabled = true;
      void this.onPasses(this.profile).finally(() => (make.disabled = false));
    } }, "Passes");
    const which = select(this.profiles.map((n): [string, string] => [n, n]), this.profile, (v) => { this.profile = v; });
    which.setAttribute("aria-label", "Passes for");
    return group(which, make);
  }

  private readonly trouble = (error: unknown): void => {
    this.state.problem = error instanceof ApiError ? error.message : String(error);
    this.state.say("status");
  };
}

function fileButton(label: string, accept: string, take: (file: File) => Promise<void>, trouble: (error: unknown) => void): HTMLElement {
  const input = el("input", { type: "file", accept, hidden: true });
  const button = el("button", { type: "button", class: "quiet", onclick: () => input.click() }, label);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (!file) return;
    button.disabled = true;
    take(file).catch(trouble).finally(() => (button.disabled = false));
  });
  return el("span", {}, button, input);
}
