/** A held pose is bent by inverse kinematics. Joints are SMPL-24 in metres, Y up; every bone keeps its length. */

import { Quaternion, Vector3 } from "three";

import type { Vec3 } from "./document";

interface Limb {
  root: number;
  middle: number;
  end: number;
  tip: number;
  /** Where the middle goes when the limb is straight: before the body (1) or behind it (-1). */
  side: 1 | -1;
}

/** The whole body, moved over the floor as it is. */
export const BODY = -1;
const PELVIS = 0;
const HEAD = 15;
const ARMS: Limb[] = [
  { root: 16, middle: 18, end: 20, tip: 22, side: -1 },
  { root: 17, middle: 19, end: 21, tip: 23, side: -1 },
];
const LEGS: Limb[] = [
  { root: 1, middle: 4, end: 7, tip: 10, side: 1 },
  { root: 2, middle: 5, end: 8, tip: 11, side: 1 },
];
const LIMBS = [...ARMS, ...LEGS];
/** What can be taken hold of, from the head down. */
export const HANDLES = [HEAD, PELVIS, 20, 21, 18, 19, 7, 8, 4, 5, BODY];

const TRUNK = [15, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23];
/** Joints about which the trunk bends, what turns with each, and how eagerly (ours: the neck most). */
const SPINE: { pivot: number; turned: number[]; share: number }[] = [
  { pivot: 12, turned: [15], share: 0.35 },
  { pivot: 9, turned: TRUNK, share: 0.2 },
  { pivot: 6, turned: [9, ...TRUNK], share: 0.2 },
  { pivot: 3, turned: [6, 9, ...TRUNK], share: 0.2 },
];
const ROUNDS = 24;
const STRAIGHTEST = 0.9999; // of a limb's length: so the side to which it bends is never lost

/** The pose with one joint brought to a place, or as near to it as the bones allow.
 *
 * Wrists and ankles take their limb along, which goes on bending to its side; elbows and knees turn the limb and leave
 * its end as near as it can be to where it was; the head bends the spine; the pelvis moves the body while the feet
 * stay; BODY moves everything over the floor. */
export function bend(pose: readonly Vec3[], joint: number, to: Vec3): Vec3[] {
  const was = pose.map((p) => new Vector3(...p));
  const now = was.map((p) => p.clone());
  const target = new Vector3(...to);
  if (joint === BODY) {
    const by = target.sub(at(was, PELVIS)).setY(0);
    now.forEach((p) => p.add(by));
  } else if (joint === PELVIS) {
    const by = target.sub(at(was, PELVIS));
    const legs = new Set(LEGS.flatMap((l) => [l.middle, l.end, l.tip]));
    now.forEach((p, i) => legs.has(i) || p.add(by));
    for (const leg of LEGS) reach(was, now, leg, at(was, leg.end));
  } else if (joint === HEAD) {
    nod(now, target);
  } else {
    for (const limb of LIMBS) {
      if (limb.end === joint) reach(was, now, limb, overFloor(was, limb, target));
      else if (limb.middle === joint) pull(was, now, limb, target);
    }
  }
  return now.map((p) => [p.x, p.y, p.z]);
}

/** Where a handle of a pose stands. */
export function handleAt(pose: readonly Vec3[], joint: number): Vec3 {
  const [x, , z] = pose[PELVIS] ?? [0, 0, 0];
  return joint === BODY ? [x, 0.012, z] : (pose[joint] ?? [0, 0, 0]);
}

function at(joints: Vector3[], index: number): Vector3 {
  const found = joints[index];
  if (!found) throw new RangeError(`a pose has 24 joints, not ${joints.length}`);
  return found;
}

/** Two bones from a root that may have moved: by the law of cosines, in the plane that turns along with the limb. */
function reach(was: Vector3[], now: Vector3[], limb: Limb, target: Vector3): void {
  const [root, middle, end] = [at(was, limb.root), at(was, limb.middle), at(was, limb.end)];
  const upper = root.distanceTo(middle);
  const lower = middle.distanceTo(end);
  const before = end.clone().sub(root).normalize();
  const begin = at(now, limb.root);
  const line = target.clone().sub(begin);
  const length = Math.min(STRAIGHTEST * (upper + lower), Math.max(Math.abs(upper - lower) + 1e-4, line.length()));
  if (line.length() < 1e-9) line.copy(before);
  line.normalize();
  const pole = middle.clone().sub(root);
  pole.addScaledVector(before, -pole.dot(before));
  if (pole.length() < 1e-3 * upper) pole.copy(forward(was)).multiplyScalar(limb.side);
  else pole.applyQuaternion(new Quaternion().setFromUnitVectors(before, line));
  pole.addScaledVector(line, -pole.dot(line)).normalize();
  const along = (upper * upper + length * length - lower * lower) / (2 * length);
  const aside = Math.sqrt(Math.max(0, upper * upper - along * along));
  at(now, limb.middle).copy(begin).addScaledVector(line, along).addScaledVector(pole, aside);
  at(now, limb.end).copy(begin).addScaledVector(line, length);
  carryTip(was, now, limb);
}

/** The middle of a limb goes where it is pulled; its end stays where it was, if it can. */
function pull(was: Vector3[], now: Vector3[], limb: Limb, target: Vector3): void {
  const [root, middle, end] = [at(was, limb.root), at(was, limb.middle), at(was, limb.end)];
  const upper = target.clone().sub(root);
  if (upper.length() < 1e-9) return;
  const elbow = at(now, limb.middle).copy(root).addScaledVector(upper.normalize(), root.distanceTo(middle));
  const lower = end.clone().sub(elbow);
  if (lower.length() < 1e-9) lower.copy(end).sub(middle);
  at(now, limb.end).copy(elbow).addScaledVector(lower.normalize(), middle.distanceTo(end));
  carryTip(was, now, limb);
}

/** A hand goes on from its forearm as before; a foot keeps its direction, so that it stays flat. */
function carryTip(was: Vector3[], now: Vector3[], limb: Limb): void {
  const tip = at(was, limb.tip).clone().sub(at(was, limb.end));
  if (ARMS.includes(limb)) {
    const before = at(was, limb.end).clone().sub(at(was, limb.middle)).normalize();
    const after = at(now, limb.end).clone().sub(at(now, limb.middle)).normalize();
    tip.applyQuaternion(new Quaternion().setFromUnitVectors(before, after));
  }
  at(now, limb.tip).copy(at(now, limb.end)).add(tip);
}

/** Bends the spine until the head is where it should be: each joint turns a share of what is missing, round by round. */
function nod(now: Vector3[], target: Vector3): void {
  const from = new Vector3();
  const to = new Vector3();
  const turn = new Quaternion();
  const none = new Quaternion();
  for (let round = 0; round < ROUNDS; round++) {
    for (const { pivot, turned, share } of SPINE) {
      const centre = at(now, pivot);
      from.subVectors(at(now, HEAD), centre);
      to.subVectors(target, centre);
      if (from.length() < 1e-9 || to.length() < 1e-9) continue;
      turn.setFromUnitVectors(from.normalize(), to.normalize());
      turn.copy(none.identity().slerp(turn, share));
      for (const joint of turned) at(now, joint).sub(centre).applyQuaternion(turn).add(centre);
    }
  }
}

function forward(joints: Vector3[]): Vector3 {
  const left = at(joints, 1).clone().sub(at(joints, 2));
  return left.cross(new Vector3(0, 1, 0)).normalize();
}

/** A foot does not go through the floor: neither its ankle nor its toes. */
function overFloor(was: Vector3[], limb: Limb, target: Vector3): Vector3 {
  if (ARMS.includes(limb)) return target;
  const below = Math.max(0, at(was, limb.end).y - at(was, limb.tip).y);
  return target.clone().setY(Math.max(target.y, below));
}
