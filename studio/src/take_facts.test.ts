import { expect, test } from "vitest";
import type { Job } from "./api";
import { about, fileName, madeBy, secondsLeft } from "./take_facts";

const job = (more: Partial<Job>): Job => ({
  id: "video_1", object: "video", status: "in_progress", progress: 0, stage: "", queue_position: null, created_at: 0, started_at: null,
  completed_at: null, revision: 1, error: null, files: {}, request: {}, details: {}, ...more,
});

test("a take says by what it was made and how long it is", () => {
  const rough = job({ request: { input_reference: "file_1", model: null } });
  expect(madeBy(rough, "automatic")).toBe("rough take");
  expect(madeBy(job({ request: { model: null } }), "automatic")).toBe("embedded model");
  expect(about(job({ details: { seconds: 4.05, size: "288x384", settings: { backbone: "mini" } } }), "automatic")).toBe("4.0 s · model mini · 288x384");
});

test("the time left is told by earlier takes of the kind, and by the take's own progress", () => {
  expect(secondsLeft(job({}), 3, [], "mini")).toBeNull();
  const earlier = job({ status: "completed", started_at: 100, completed_at: 112 });
  expect(secondsLeft(job({}), 3, [earlier], "mini")).toBe(9);
  expect(secondsLeft(job({ progress: 50 }), 10, [], "mini")).toBe(10);
  expect(secondsLeft(job({ progress: 99 }), 30, [], "mini")).toBe(1);
});

test("files are named after the scene", () => {
  expect(fileName("Mila & Jón: a walk/wave", "-take-2.mp4")).toBe("Mila-Jón-a-walk-wave-take-2.mp4");
  expect(fileName("../..", ".bvh")).toBe("scene.bvh");
});
