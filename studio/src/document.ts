/** The document that is edited: a scene as the server takes it, and pure functions that change it. */

export type Vec3 = [number, number, number];

export interface Block {
  text: string;
  start: number;
  end: number;
  parts: string[];
}
export interface Waypoint {
  time: number;
  x: number;
  z: number;
  heading: number | null;
}
export interface Target {
  joint: string;
  time: number;
  position: Vec3;
}
export interface Pose {
  time: number;
  joints: Vec3[];
}
export interface MotionRequest {
  blocks: Block[];
  /** An uploaded file or a clip of the library moves the person instead of words. */
  file: string | null;
  clip: string | null;
  mirrored: boolean;
  person: number;
  seed: number;
  style: string | null;
  path: Waypoint[];
  targets: Target[];
  poses: Pose[];
}
export interface Placing {
  x: number;
  z: number;
  turn: number;
  delay: number;
}
export interface Person {
  name: string;
  motion: MotionRequest;
  place: Placing;
  actor: number;
}
export interface CameraKey {
  time: number;
  position: Vec3;
  target: Vec3;
  fov: number;
}
export interface SceneCamera {
  text: string;
  tracking: "auto" | "none" | "pan" | "follow";
  /** Whom words frame and turn round; everybody where null. */
  person: number | null;
  keys: CameraKey[];
}
/** How takes are filmed; kept with the scene, read by the studio alone. */
export interface Film {
  model: string | null;
  control: string | null;
  seed: number;
  steps: number | null;
  /** Who is filmed alone; everybody where null. */
  person: number | null;
}
/** What the user says about a picture of their own; joints and mask are uploaded files. */
export interface Look {
  clothes: "auto" | "skirt" | "trousers";
  /** Whether hips and legs go with the motion. */
  legs: "auto" | "move" | "stay";
  marks: string | null;
  mask: string | null;
  /** Who of several in the picture, counted from the left from 0; the largest where null. */
  who: number | null;
}
export interface Notes {
  film: Film;
  /** Uploaded pictures of people, by their place in `people`; null for the actor of the stage. */
  pictures: (string | null)[];
  /** What is said about those pictures; null for nothing. */
  looks: (Look | null)[];
  /** Names of uploaded motion files and videos and captions of clips, by their place in `people`. */
  files: (string | null)[];
  /** Set in the copy of a scene that a take was made from. */
  take?: boolean;
}
export interface SceneDocument {
  title: string;
  people: Person[];
  camera: SceneCamera;
  size: string;
  seconds: number | null;
  notes: Notes;
}

export const LEAST_BLOCK = 0.5;
export const MOST_SECONDS = 600;
export const MOST_PEOPLE = 8;
/** Shapes of the frame: the model's own, and one for several people. */
export const UPRIGHT = "96x128";
export const WIDE = "128x96";
export const TARGET_JOINTS = ["left_wrist", "right_wrist", "left_ankle", "right_ankle", "head"] as const;

export function newPerson(number: number): Person {
  return {
    name: `Person ${number + 1}`,
    motion: {
      blocks: [{ text: number ? "a person stands still" : "a person walks forward", start: 0, end: 4, parts: ["whole_body"] }],
      file: null,
      clip: null,
      mirrored: false,
      person: 0,
      seed: number,
      style: null,
      path: [],
      targets: [],
      poses: [],
    },
    place: { x: number ? 1.1 * Math.ceil(number / 2) * (number % 2 ? 1 : -1) : 0, z: 0, turn: 0, delay: 0 },
    actor: 3 + 7 * number,
  };
}

export function newDocument(): SceneDocument {
  return {
    title: "Untitled",
    people: [newPerson(0)],
    camera: { text: "static", tracking: "auto", person: null, keys: [] },
    size: UPRIGHT,
    seconds: null,
    notes: { film: { model: null, control: null, seed: 0, steps: null, person: null }, pictures: [null], looks: [null], files: [null] },
  };
}

export const PLAIN: Look = { clothes: "auto", legs: "auto", marks: null, mask: null, who: null };

/** Somebody's own picture, who is then filmed, too; or an actor of the stage again. */
export function putPicture(doc: SceneDocument, index: number, picture: string | null): SceneDocument {
  const put = <T>(list: (T | null)[], value: T | null): (T | null)[] => list.map((old, i) => (i === index ? value : old));
  const { person } = doc.notes.film;
  const film = picture === null || person === index ? doc.notes.film : { ...doc.notes.film, person: null };
  return { ...doc, notes: { ...doc.notes, film, pictures: put(doc.notes.pictures, picture), looks: put<Look>(doc.notes.looks, null) } };
}

export function putLook(doc: SceneDocument, index: number, look: Look): SceneDocument {
  return { ...doc, notes: { ...doc.notes, looks: doc.notes.looks.map((old, i) => (i === index ? look : old)) } };
}

/** Everybody of a picture in the scene: the person who has it and those after them, new ones where they are missing. */
export function everybodyOf(doc: SceneDocument, index: number, picture: string, count: number): SceneDocument {
  let next = doc;
  for (let who = 0; who < Math.min(count, MOST_PEOPLE - index); who++) {
    if (index + who >= next.people.length) next = addPerson(next);
    next = putLook(putPicture(next, index + who, picture), index + who, { ...PLAIN, who });
  }
  return next;
}

/** What is said of a picture, as the server takes it. */
export const saidOf = (look: Look | null): Record<string, string | number | null> => {
  const { clothes, legs, marks, mask, who } = look ?? PLAIN;
  return { clothes, legs, marks, mask, picture_person: who };
};

/** Whether words move a person, and not a file or a clip. */
export const byWords = (motion: MotionRequest): boolean => motion.file === null && motion.clip === null;

/** How long a document lasts before the server has made it: the last block of anybody, or so many seconds of a file. */
export function plannedSeconds(doc: SceneDocument, ofFile = 8): number {
  if (doc.seconds !== null) return doc.seconds;
  const ends = doc.people.map((p) => p.place.delay + (byWords(p.motion) ? Math.max(...p.motion.blocks.map((b) => b.end), LEAST_BLOCK) : ofFile));
  return Math.max(...ends);
}

export function changePerson(doc: SceneDocument, index: number, change: (person: Person) => Person): SceneDocument {
  return { ...doc, people: doc.people.map((p, i) => (i === index ? change(p) : p)) };
}

export function changeMotion(doc: SceneDocument, index: number, change: (motion: MotionRequest) => MotionRequest): SceneDocument {
  return changePerson(doc, index, (p) => ({ ...p, motion: change(p.motion) }));
}

export function addPerson(doc: SceneDocument): SceneDocument {
  if (doc.people.length >= MOST_PEOPLE) return doc;
  const film = { ...doc.notes.film, person: null };
  const notes = { ...doc.notes, film, pictures: [...doc.notes.pictures, null], looks: [...doc.notes.looks, null], files: [...doc.notes.files, null] };
  const size = doc.people.length === 1 && doc.size === UPRIGHT ? WIDE : doc.size; // two need more room
  return { ...doc, size, people: [...doc.people, newPerson(doc.people.length)], notes };
}

export function removePerson(doc: SceneDocument, index: number): SceneDocument {
  if (doc.people.length === 1) return doc;
  const without = <T>(list: T[]): T[] => list.filter((_, i) => i !== index);
  const shifted = (n: number | null): number | null => (n === null || n === index ? null : n > index ? n - 1 : n);
  return {
    ...doc,
    size: doc.people.length === 2 && doc.size === WIDE ? UPRIGHT : doc.size,
    people: without(doc.people),
    camera: { ...doc.camera, person: shifted(doc.camera.person) },
    notes: {
      ...doc.notes,
      pictures: without(doc.notes.pictures),
      looks: without(doc.notes.looks),
      files: without(doc.notes.files),
      film: { ...doc.notes.film, person: shifted(doc.notes.film.person) },
    },
  };
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
export const snap = (seconds: number): number => Math.round(seconds * 20) / 20;

/** The nearest of some moments within reach of a time, or the time on the grid of frames. */
export function snapTo(seconds: number, moments: number[], reach: number): number {
  const [nearest] = moments.filter((m) => Math.abs(m - seconds) <= reach).sort((a, b) => Math.abs(a - seconds) - Math.abs(b - seconds));
  return snap(nearest ?? seconds);
}

/** A block moved or stretched: `edge` says which end follows, or both. */
export function dragBlock(block: Block, by: number, edge: "both" | "start" | "end"): Block {
  const length = block.end - block.start;
  if (edge === "both") {
    const start = snap(clamp(block.start + by, 0, MOST_SECONDS - length));
    return { ...block, start, end: snap(start + length) };
  }
  if (edge === "start") return { ...block, start: snap(clamp(block.start + by, 0, block.end - LEAST_BLOCK)) };
  return { ...block, end: snap(clamp(block.end + by, block.start + LEAST_BLOCK, MOST_SECONDS)) };
}

/** A free place for a new block on its track: where asked, or after whatever is there. */
export function addBlock(motion: MotionRequest, at: number, parts: string[], text: string): { motion: MotionRequest; index: number } {
  const same = motion.blocks.filter((b) => (b.parts[0] === "whole_body") === (parts[0] === "whole_body"));
  const inside = same.find((b) => at > b.start - LEAST_BLOCK && at < b.end);
  const start = snap(inside ? Math.max(...same.map((b) => b.end)) : at);
  const next = Math.min(...same.filter((b) => b.start >= start).map((b) => b.start), start + 3);
  const end = snap(Math.max(next, start + LEAST_BLOCK));
  if (end > MOST_SECONDS) return { motion, index: -1 };
  return { motion: { ...motion, blocks: [...motion.blocks, { text, start, end, parts }] }, index: motion.blocks.length };
}

/** A list of things with times, with one put in or in place of the one at the same moment, in order. */
export function putKey<K extends { time: number }>(keys: K[], key: K): K[] {
  const others = keys.filter((k) => Math.abs(k.time - key.time) > 1e-6);
  return [...others, key].sort((a, b) => a.time - b.time);
}

const WAY = 5; // keys that a camera's way in words becomes
const STILL = 0.02; // metres that a camera may move and still stand

/** The camera of a moment taken elsewhere: it goes on looking where it looked. A way in words becomes keys first. */
export function placeShot(doc: SceneDocument, time: number, position: Vec3, shotAt: (time: number) => Omit<CameraKey, "time"> | null, seconds: number): SceneDocument {
  const { camera } = doc;
  const now = camera.keys.find((k) => Math.abs(k.time - time) < 1e-6) ?? shotAt(time);
  if (!now) return doc;
  const moments = Array.from({ length: WAY }, (_, i) => snap((i * seconds) / (WAY - 1)));
  const way = moments.flatMap((at) => ({ time: at, ...(shotAt(at) ?? now) }));
  const stands = way.every((k) => Math.hypot(...k.position.map((v, i) => v - (way[0]?.position[i] ?? 0))) < STILL && Math.hypot(...k.target.map((v, i) => v - (way[0]?.target[i] ?? 0))) < STILL);
  const keys = camera.keys.length ? camera.keys : stands ? [] : way;
  return { ...doc, camera: { ...camera, keys: putKey(keys, { ...now, time, position }) } };
}

/** Whither a person faces at a point of a path, degrees about +Y (0 is +Z): as set there, or the way they go. */
export function headingAt(path: Waypoint[], index: number): number {
  const [point, before, after] = [path[index], path[index - 1], path[index + 1]];
  if (point && point.heading !== null) return point.heading;
  const [from, to] = [before ?? point, after ?? point];
  if (!from || !to || (from.x === to.x && from.z === to.z)) return 0;
  return (Math.atan2(to.x - from.x, to.z - from.z) * 180) / Math.PI;
}

/** From the world of the scene to the world in which a person's motion is made, and back; heights stay. */
export function toMotion(person: Person, [x, y, z]: Vec3): Vec3 {
  const [sx, sz] = start(person);
  const a = (-person.place.turn * Math.PI) / 180;
  const dx = x - person.place.x - sx;
  const dz = z - person.place.z - sz;
  return [sx + Math.cos(a) * dx + Math.sin(a) * dz, y, sz - Math.sin(a) * dx + Math.cos(a) * dz];
}

export function toWorld(person: Person, [x, y, z]: Vec3): Vec3 {
  const [sx, sz] = start(person);
  const a = (person.place.turn * Math.PI) / 180;
  const dx = x - sx;
  const dz = z - sz;
  return [person.place.x + sx + Math.cos(a) * dx + Math.sin(a) * dz, y, person.place.z + sz - Math.sin(a) * dx + Math.cos(a) * dz];
}

function start(person: Person): [number, number] {
  const first = person.motion.path[0];
  return first && first.time === 0 ? [first.x, first.z] : [0, 0];
}

/** A document from a file or from the server, or a sentence about what is wrong with it. */
export function readDocument(value: unknown): SceneDocument | string {
  const empty = newDocument();
  if (typeof value !== "object" || value === null || !Array.isArray((value as SceneDocument).people)) return "this is not a scene of the studio";
  const given = value as Partial<SceneDocument> & { people: Partial<Person>[] };
  if (!given.people.length || given.people.length > MOST_PEOPLE) return "a scene has one to eight people";
  const people: Person[] = [];
  for (const [i, p] of given.people.entries()) {
    if (typeof p.motion !== "object" || p.motion === null) return `person ${i + 1} has no motion that the studio can edit`;
    const base = newPerson(i);
    people.push({ ...base, ...p, motion: { ...base.motion, ...p.motion }, place: { ...base.place, ...p.place } });
  }
  const notes = { ...empty.notes, ...(given.notes ?? {}) } as Notes;
  const filled = <T>(list: (T | null)[] | undefined): (T | null)[] => people.map((_, i) => list?.[i] ?? null);
  return {
    ...empty,
    ...given,
    people,
    camera: { ...empty.camera, ...given.camera, person: given.camera?.person || null },
    notes: { ...notes, film: { ...empty.notes.film, ...notes.film, person: people.length > 1 ? (notes.film?.person ?? null) : null }, pictures: filled(notes.pictures), looks: filled(notes.looks).map((look) => look && { ...PLAIN, ...look }), files: filled(notes.files) },
  } as SceneDocument;
}

/** The document as the server takes it. */
export function sceneRequest(doc: SceneDocument): unknown {
  const people = doc.people.map((p) => {
    const { file, clip, mirrored, blocks, ...rest } = p.motion;
    const { person, seed } = rest;
    return { ...p, motion: file ? { file, person, seed } : clip ? { clip, mirrored, seed } : { blocks, ...rest } };
  });
  return { ...doc, people };
}
