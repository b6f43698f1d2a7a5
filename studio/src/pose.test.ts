import { describe, expect, test } from "vitest";

import { newDocument, toMotion, toWorld } from "./document";
import type { Vec3 } from "./document";
import { bend, BODY, handleAt, HANDLES } from "./pose";

const PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21];
const REST: Vec3[] = [
  [0, 0.945, 0], [0.09, 0.875, 0], [-0.09, 0.875, 0], [0, 1.055, 0], [0.09, 0.475, 0], [-0.09, 0.475, 0], [0, 1.17, 0], [0.09, 0.075, 0],
  [-0.09, 0.075, 0], [0, 1.225, 0], [0.09, 0.02, 0.12], [-0.09, 0.02, 0.12], [0, 1.4, 0], [0.075, 1.36, 0], [-0.075, 1.36, 0], [0, 1.5, 0],
  [0.175, 1.375, 0], [-0.175, 1.375, 0], [0.445, 1.375, 0], [-0.445, 1.375, 0], [0.7, 1.375, 0], [-0.7, 1.375, 0], [0.78, 1.375, 0], [-0.78, 1.375, 0],
];
/** Joints whose distances no bend may change: what hangs on the pelvis and on the chest is one piece each. */
const RIGID = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3], [9, 12], [9, 13], [9, 14], [12, 13], [13, 14], [12, 14]] as const;

const joint = (pose: Vec3[], index: number): Vec3 => pose[index] ?? [NaN, NaN, NaN];
const apart = (a: Vec3, b: Vec3): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
const near = (a: Vec3, b: Vec3, digits = 9): void => a.forEach((value, i) => expect(value).toBeCloseTo(b[i] ?? NaN, digits));

function keepsBones(before: Vec3[], after: Vec3[]): void {
  PARENTS.forEach((parent, i) => {
    if (parent >= 0) expect(apart(joint(after, i), joint(after, parent))).toBeCloseTo(apart(joint(before, i), joint(before, parent)), 9);
  });
  for (const [a, b] of RIGID) expect(apart(joint(after, a), joint(after, b))).toBeCloseTo(apart(joint(before, a), joint(before, b)), 9);
}

/** Numbers that look random and are the same every time. */
function* numbers(): Generator<number> {
  let seed = 7;
  for (;;) {
    seed = (seed * 16807) % 2147483647;
    yield seed / 2147483647;
  }
}

test("whatever is dragged wherever, bones keep their lengths and numbers stay numbers", () => {
  const draw = numbers();
  const next = (): number => draw.next().value as number;
  let pose = REST;
  for (let i = 0; i < 400; i++) {
    const handle = HANDLES[Math.floor(next() * HANDLES.length)] ?? 0;
    pose = bend(pose, handle, [4 * next() - 2, 2.2 * next(), 4 * next() - 2]);
    expect(pose.flat().every(Number.isFinite)).toBe(true);
  }
  keepsBones(REST, pose);
});

describe("a limb", () => {
  test("goes where its end is dragged and nothing else moves", () => {
    const bent = bend(REST, 20, [0.45, 1.2, 0.35]);
    near(joint(bent, 20), [0.45, 1.2, 0.35]);
    bent.forEach((p, i) => [18, 20, 22].includes(i) || near(p, joint(REST, i)));
    keepsBones(REST, bent);
  });

  test("bends elbows backward and knees forward when it was straight, and to the same side as before when it was not", () => {
    const elbow = joint(bend(REST, 20, [0.5, 1.375, 0]), 18);
    expect(elbow[2]).toBeLessThan(-0.05);
    const up = bend(REST, 7, [0.09, 0.4, 0]);
    expect(joint(up, 4)[2]).toBeGreaterThan(0.1);
    const aside = bend(up, 4, [0.6, 0.6, 0]); // the knee is pulled outward …
    const higher = bend(aside, 7, [0.15, 0.5, 0.05]);
    expect(joint(higher, 4)[0]).toBeGreaterThan(0.25); // … and stays there
  });

  test("stretches no further than its bones", () => {
    const bent = bend(REST, 21, [-3, 1.375, 0]);
    expect(joint(bent, 21)[0]).toBeCloseTo(-0.7, 3);
    keepsBones(REST, bent);
  });

  test("keeps its end where it was when its middle is turned about the line between both", () => {
    const crouch = bend(REST, 0, [0, 0.75, 0]);
    const [hip, knee] = [joint(crouch, 1), joint(crouch, 4)]; // the ankle is straight below the hip
    const out = knee[2] - hip[2];
    const open = bend(crouch, 4, [hip[0] + out, knee[1], hip[2]]);
    expect(out).toBeGreaterThan(0.15);
    near(joint(open, 4), [hip[0] + out, knee[1], hip[2]]);
    near(joint(open, 7), joint(crouch, 7));
    keepsBones(REST, open);
  });

  test("keeps the foot flat and over the floor", () => {
    const bent = bend(bend(REST, 0, [0, 0.75, 0]), 8, [-0.2, -1, 0.3]);
    expect(joint(bent, 11)[1]).toBeCloseTo(0, 9);
    expect(joint(bent, 11)[2] - joint(bent, 8)[2]).toBeCloseTo(0.12, 9);
  });
});

test("the pelvis moves the body while the feet stay", () => {
  const bent = bend(REST, 0, [0.1, 0.7, -0.1]);
  near(joint(bent, 0), [0.1, 0.7, -0.1]);
  for (const foot of [7, 8, 10, 11]) near(joint(bent, foot), joint(REST, foot));
  near(joint(bent, 15), [0.1, 1.255, -0.1]);
  keepsBones(REST, bent);
});

test("the head bends the spine over feet that stay", () => {
  const bent = bend(REST, 15, [0.05, 1.38, 0.25]);
  expect(apart(joint(bent, 15), [0.05, 1.38, 0.25])).toBeLessThan(0.02);
  for (const still of [0, 1, 2, 3, 7, 8]) near(joint(bent, still), joint(REST, still));
  expect(joint(bent, 9)[2]).toBeGreaterThan(0.01);
  keepsBones(REST, bent);
});

test("the whole body moves over the floor as it is", () => {
  const bent = bend(REST, BODY, [1, 5, 2]);
  bent.forEach((p, i) => near(p, [joint(REST, i)[0] + 1, joint(REST, i)[1], joint(REST, i)[2] + 2]));
  expect(handleAt(bent, BODY)).toEqual([1, 0.012, 2]);
});

test("it is the same in the world of the scene and in that of the motion", () => {
  const person = newDocument().people[0]!;
  person.place = { x: 1, z: -2, turn: 50, delay: 0 };
  for (const handle of HANDLES) {
    const to: Vec3 = [0.4, 1.1, 0.3];
    const there = bend(REST, handle, to).map((p) => toWorld(person, p));
    const here = bend(REST.map((p) => toWorld(person, p)), handle, toWorld(person, to));
    there.forEach((p, i) => near(p, joint(here, i), 6));
    near(toMotion(person, toWorld(person, to)), to);
  }
});
