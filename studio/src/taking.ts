/** What a take will be: by what it is made, whom it shows, and how the server is asked for it. */

import { saidOf } from "./document";
import type { SceneDocument } from "./document";

/** A rough take of people of pictures, a film of the stage's actors, or a video model's. */
export type Kind = "rough" | "stage" | "model";

export interface Take {
  kind: Kind;
  /** Whom it shows, by their places in `people`. */
  people: number[];
  /** The video model, where one makes it. */
  model: string | null;
}

export const AUTOMATIC = "automatic";
export const STAGE = "stage";
const ROUGH = "rough";

/**
 * What a take of a document is: `usual` is the server's model where none is chosen. By itself it shows everybody: a rough
 * take where somebody has a picture of their own, else the stage; one actor alone is filmed by the embedded model.
 */
export function takeOf(doc: SceneDocument, usual: string): Take {
  const { film, pictures } = doc.notes;
  const wanted = film.person === null ? doc.people.map((_, i) => i) : [film.person];
  const own = wanted.some((i) => pictures[i]);
  const model = film.model ?? usual;
  const byItself = model === AUTOMATIC || (model === ROUGH && !own);
  if (model === STAGE || (byItself && !own && wanted.length > 1)) return { kind: "stage", people: wanted, model: null };
  if (own && (byItself || model === ROUGH)) return { kind: "rough", people: wanted, model: null };
  const first = doc.people.findIndex((_, i) => pictures[i]);
  return { kind: "model", people: [film.person ?? Math.max(0, first)], model: byItself ? null : model };
}

/** Whom of a scene a take leaves out. */
export const leavesOut = (doc: SceneDocument, take: Take): boolean => take.people.length < doc.people.length;

/** "Ada", "Ada and Bea", "all 3 people". */
export function namesOf(doc: SceneDocument, people: number[]): string {
  const names = people.map((i) => doc.people[i]?.name || `Person ${i + 1}`);
  return names.length < 3 ? names.join(" and ") : `all ${names.length} people`;
}

/** What the button that films says. */
export function invitation(doc: SceneDocument, take: Take): string {
  if (doc.people.length === 1) return "Film a take";
  const names = namesOf(doc, take.people);
  return take.people.length === 1 ? `Film ${names} alone` : `Film ${names}`;
}

/** A take's people with pictures first: the first one's room is filmed. */
function ordered(doc: SceneDocument, people: number[]): number[] {
  const own = (i: number): boolean => Boolean(doc.notes.pictures[i]);
  return [...people.filter(own), ...people.filter((i) => !own(i))];
}

/** Whether several people of a take are cut out of one picture. */
function together(doc: SceneDocument, people: number[]): boolean {
  const { pictures, looks } = doc.notes;
  const numbers = people.map((i) => looks[i]?.who ?? null);
  return people.length > 1 && new Set(people.map((i) => pictures[i])).size === 1 && !numbers.includes(null) && new Set(numbers).size === people.length;
}

const SAID = ["clothes", "legs", "mask", "marks", "picture_person"] as const;

/** The pictures of a rough take and what is said of them, as the live view asks for them: one for each person. */
export function roughQuery(doc: SceneDocument, take: Take): Record<string, (string | number)[]> {
  const people = ordered(doc, take.people);
  const { pictures, looks } = doc.notes;
  const said = people.map((i) => saidOf(looks[i] ?? null));
  const columns = SAID.map((name) => [name, said.map((each) => each[name] ?? "")] as const).filter(([, each]) => each.some((one) => one !== ""));
  return { picture: people.map((i) => pictures[i] ?? "actor"), person: people, ...Object.fromEntries(columns) };
}

/** A take as the server takes it: `scene` is kept there. */
export function videoRequest(doc: SceneDocument, scene: string, words: string, usual: string): Record<string, unknown> {
  const take = takeOf(doc, usual);
  const { film, pictures, looks } = doc.notes;
  const [first = 0] = take.people;
  const base = { scene, prompt: words, seed: film.seed };
  if (take.kind === "stage") return { ...base, model: STAGE, person: take.people };
  if (take.kind === "model") {
    const who = pictures[first] ? { input_reference: pictures[first] } : { actor: doc.people[first]?.actor ?? 0 };
    return { ...base, person: first, model: film.model === ROUGH ? null : film.model, ...who, control: film.control ? [film.control] : null, steps: film.steps, scale: 3 };
  }
  const model = film.model;
  if (take.people.length === 1) return { ...base, model, person: first, input_reference: pictures[first], ...saidOf(looks[first] ?? null) };
  const people = ordered(doc, take.people);
  const said = people.map((i) => saidOf(looks[i] ?? null));
  const columns = SAID.map((name) => [name, said.map((each) => each[name])] as const).filter(([, each]) => each.some((one) => one !== null));
  const shown = together(doc, people) ? pictures[first] : people.map((i) => pictures[i] ?? null);
  return { ...base, model, person: people, input_reference: shown, ...Object.fromEntries(columns) };
}

/** The words that are filmed, for models that read them. */
export function wordsOf(doc: SceneDocument, people: number[]): string {
  const said = people.map((i) => {
    const { file, clip, blocks } = doc.people[i]?.motion ?? { file: null, clip: null, blocks: [] };
    if (file) return "";
    if (clip) return doc.notes.files[i] ?? "";
    return blocks.filter((b) => b.parts[0] === "whole_body").map((b) => b.text).join(", then ");
  });
  return said.filter(Boolean).join("; ");
}
