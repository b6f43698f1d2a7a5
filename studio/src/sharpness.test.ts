import { expect, test } from "vitest";

import { fitting, Sharpness } from "./sharpness";

test("slow frames make the picture coarser, and rest makes it sharp again", () => {
  const sharpness = new Sharpness(1.5);
  for (let now = 0; now <= 6000; now += 50) sharpness.move(now, 12);
  expect(sharpness.at(6000)).toBeLessThan(0.6);
  expect(sharpness.at(6400)).toBe(1.5);
  sharpness.move(6400, 12);
  expect(sharpness.at(6400)).toBeLessThan(0.6);
});

test("what has become coarse becomes fine again at 50 frames a second, and does not swing", () => {
  const sharpness = new Sharpness(1);
  for (let now = 0; now <= 5000; now += 50) sharpness.move(now, 12);
  for (let now = 5050; now <= 20000; now += 50) sharpness.move(now, 50);
  expect(sharpness.at(20000)).toBe(1);
  expect(fitting(0.8, 38, 1)).toBe(0.8);
  const finer = fitting(0.8, 46, 1);
  expect(46 * (0.8 / finer) ** 2).toBeGreaterThan(32);
});
