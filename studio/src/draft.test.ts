import { expect, test } from "vitest";

import type { PictureCheck } from "./api";
import { PLAIN } from "./document";
import { draftOf, inThePage, marksOf, moveJoint } from "./draft";

const check = (source: PictureCheck["source"]): PictureCheck => ({
  verdict: "good",
  findings: [],
  source,
  marks: { size: [100, 200], joints: { pelvis: [50, 100], left_wrist: [70, 90] } },
  cutout: "",
  people: 1,
});

test("a joint stays inside the picture, and only what was moved is kept where a person is seen", () => {
  const before = draftOf(check("detected"), PLAIN, []);
  const after = moveJoint(before, "left_wrist", [120, -3], [100, 200]);
  expect(after.joints.left_wrist).toEqual([100, 0]);
  expect(before.joints.left_wrist).toEqual([70, 90]);
  expect(marksOf(before, check("detected"))).toBeNull();
  expect(marksOf(after, check("detected"))?.joints).toEqual({ left_wrist: [100, 0] });
  expect(Object.keys(marksOf(after, check("preset"))?.joints ?? {})).toEqual(["pelvis", "left_wrist"]);
});

test("findings name nothing that only the command line has", () => {
  const said = [
    "Nobody is found: mark the joints (--marks), or give another picture.",
    "This looks like a drawing: its joints are placed from its outline alone; drag them, or give --marks.",
    "I am not sure who or what this is: look at the cut-out, and give --mask or --marks.",
    "2 people are in the picture, the largest is taken: choose with --picture-person, counted from the left; where they touch, give --mask.",
  ];
  for (const text of said) expect(inThePage(text)).not.toContain("--");
});
