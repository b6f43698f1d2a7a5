/** Where several people stand: side by side, face to face, or walking up to each other. */

import { byWords } from "./document";
import type { Person, SceneDocument } from "./document";

export const ARRANGEMENTS = [
  ["beside", "Side by side", "In a row, all facing the same way"],
  ["facing", "Face to face", "Near each other, turned to each other; words and ways stay"],
  ["meeting", "Walk up to each other", "From apart to face to face, then they wave: gives those whom words move new words and ways"],
] as const;
export type Arrangement = (typeof ARRANGEMENTS)[number][0];

const BESIDE = 1.1; // metres between people in a row (ours)
const NEAR = 0.4; // metres from the middle at which two people stop (ours)
const WAY = 1.4; // metres that they walk (ours)
const ARRIVES = 2.5; // seconds
const ENDS = 4.5;

const round = (value: number): number => +value.toFixed(2) + 0; // no -0

/** Everybody put there; the middle of the stage is theirs. */
export function arrange(doc: SceneDocument, how: Arrangement): SceneDocument {
  const count = doc.people.length;
  return { ...doc, people: doc.people.map((person, i) => (how === "beside" ? inRow(person, i, count) : onCircle(person, i, count, how === "meeting"))) };
}

function inRow(person: Person, i: number, count: number): Person {
  return { ...person, place: { ...person.place, x: round(BESIDE * (i - (count - 1) / 2)), z: 0, turn: 0 } };
}

/** On a circle, turned to its middle: two on its left and right, seen from the front. */
function onCircle(person: Person, i: number, count: number, meets: boolean): Person {
  const angle = Math.PI - (2 * Math.PI * i) / count;
  const near = Math.max(NEAR, (0.4 * count) / 2); // more people need more room
  const walks = meets && byWords(person.motion);
  const radius = near + (walks ? WAY : meets ? 0 : NEAR / 2);
  const [x, z] = [radius * Math.cos(angle), -radius * Math.sin(angle)];
  const turn = Math.round((Math.atan2(-x, -z) * 180) / Math.PI);
  const place = { ...person.place, x: round(x), z: round(z), turn, delay: meets ? 0 : person.place.delay };
  if (!walks) return { ...person, place };
  const point = (time: number, there: number): Person["motion"]["path"][number] => ({ time, x: 0, z: there, heading: null });
  const motion = {
    ...person.motion,
    blocks: [
      { text: "a person walks forward", start: 0, end: ARRIVES, parts: ["whole_body"] },
      { text: "a person waves with the right hand", start: ARRIVES, end: ENDS, parts: ["whole_body"] },
    ],
    path: [point(0, 0), point(ARRIVES, WAY), point(ENDS, WAY)],
    targets: [],
    poses: [],
  };
  return { ...person, place, motion };
}
