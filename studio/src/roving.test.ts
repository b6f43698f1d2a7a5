import { expect, test } from "vitest";

import { step } from "./roving";

const rows = [0, 0, 0, 1, 1, 2, 2, 2]; // three takes: three, two and three controls

test("arrows go through a row and from row to row, and stop at the ends", () => {
  expect(step("ArrowRight", 0, rows)).toBe(1);
  expect(step("ArrowRight", 7, rows)).toBe(7);
  expect(step("ArrowLeft", 0, rows)).toBe(0);
  expect(step("ArrowDown", 1, rows)).toBe(4);
  expect(step("ArrowDown", 2, rows)).toBe(4);
  expect(step("ArrowDown", 6, rows)).toBe(6);
  expect(step("ArrowUp", 5, rows)).toBe(3);
  expect(step("ArrowUp", 2, rows)).toBe(2);
  expect([step("Home", 4, rows), step("End", 4, rows), step("Enter", 4, rows)]).toEqual([0, 7, null]);
});
