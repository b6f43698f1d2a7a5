/** What is being mended in a picture: an immutable value, changed by pure functions. */

import type { PictureCheck } from "./api";
import type { Look } from "./document";

export type Point = [number, number];
/** A stroke of the brush, in pixels of the checked picture. */
export interface Stroke {
  adds: boolean;
  radius: number;
  points: Point[];
}
export interface Draft {
  joints: Record<string, Point>;
  /** Joints that somebody put where they are. */
  moved: string[];
  strokes: Stroke[];
  clothes: Look["clothes"];
  legs: Look["legs"];
  who: number | null;
}

/** What a check found, and what was moved by hand before. */
export function draftOf(check: PictureCheck, look: Look, moved: string[]): Draft {
  return { joints: check.marks.joints, moved, strokes: [], clothes: look.clothes, legs: look.legs, who: look.who };
}

/** A joint put somewhere, inside the picture. */
export function moveJoint(draft: Draft, name: string, [x, y]: Point, [width, height]: Point): Draft {
  const round = (value: number, most: number): number => Math.round(10 * Math.min(Math.max(value, 0), most)) / 10;
  const joints = { ...draft.joints, [name]: [round(x, width), round(y, height)] as Point };
  return { ...draft, joints, moved: draft.moved.includes(name) ? draft.moved : [...draft.moved, name] };
}

/** The joints to keep: those that somebody moved, or all where no network sees the person; null for none. */
export function marksOf(draft: Draft, check: PictureCheck): PictureCheck["marks"] | null {
  if (!draft.moved.length) return null;
  const seen = check.source === "detected" || check.source === "marked";
  const kept = Object.entries(draft.joints).filter(([name]) => !seen || draft.moved.includes(name));
  return { size: check.marks.size, joints: Object.fromEntries(kept) };
}

/** What a check comes to, in a word. */
export const VERDICTS = { good: "Good", usable: "Usable", poor: "Poor", nobody: "Nobody found" };

/** A finding in the words of the page: what the command line calls by its options is done here with the mouse. */
export function inThePage(text: string): string {
  return text
    .replace(" (--marks)", "")
    .replace("drag them, or give --marks", "drag them to where they belong")
    .replace("give --mask or --marks", "mend the mask or the joints")
    .replace("choose with --picture-person, counted from the left, or all", "choose below who moves")
    .replace("choose with --picture-person, counted from the left", "choose which one")
    .replace("give --mask", "mend the mask");
}
