import { PerspectiveCamera, Vector3 } from "three";
import { expect, test } from "vitest";

import { centre, openOf, see } from "./open_area";

const all = { left: 0, top: 50, right: 1280, bottom: 550 };
const takes = { left: 10, top: 60, right: 262, bottom: 540 };
const panel = { left: 960, top: 60, right: 1270, bottom: 540 };

test("panels at the sides and below leave what is between them", () => {
  expect(openOf(all, [takes, panel])).toEqual({ left: 262, top: 50, right: 960, bottom: 550 });
  expect(openOf(all, [{ left: 0, top: 0, right: 0, bottom: 0 }])).toEqual(all);
  expect(openOf(all, [{ left: 10, top: 400, right: 262, bottom: 540 }]).bottom).toBe(400);
  expect(openOf(all, [{ left: 0, top: 560, right: 1280, bottom: 900 }])).toEqual(all);
});

test("everybody and the camera are seen beside the panels and the red frame", () => {
  const open = openOf(all, [takes, panel]);
  const inset = { left: 798, top: 60, right: 948, bottom: 260 };
  const eye = new PerspectiveCamera(40, 1, 0.05, 200);
  eye.position.set(3.7, 2.3, 5.2);
  const target = new Vector3(0.5, 0.9, 0.6);
  centre(eye, all, open);
  see(eye, target, [[0, 0, 0], [0, 1.7, 0], [0, 1, 4.5], [1.1, 1.7, 3]], all, open, inset);
  for (const p of [[0, 0, 0], [0, 1, 4.5]] as const) {
    const x = ((1 + new Vector3(...p).project(eye).x) / 2) * 1280;
    expect(x).toBeGreaterThan(262);
    expect(x).toBeLessThan(960);
  }
  expect(((1 + target.clone().project(eye).x) / 2) * 1280).toBeCloseTo((262 + 960) / 2);
});
