import { describe, expect, test } from "vitest";
import { addPerson, everybodyOf, newDocument, PLAIN, putLook, putPicture, readDocument, removePerson } from "./document";
import type { SceneDocument } from "./document";
import { arrange } from "./meeting";
import { invitation, leavesOut, roughQuery, takeOf, videoRequest, wordsOf } from "./taking";

const two = addPerson(newDocument());
const own = putPicture(two, 1, "file_1");
const filming = (doc: SceneDocument, film: Partial<SceneDocument["notes"]["film"]>): SceneDocument => ({ ...doc, notes: { ...doc.notes, film: { ...doc.notes.film, ...film } } });

describe("by itself a take", () => {
  test("of one actor is the embedded model's, of several the stage's, with a picture a rough one: of everybody", () => {
    expect(takeOf(newDocument(), "automatic")).toEqual({ kind: "model", people: [0], model: null });
    expect(takeOf(two, "automatic")).toEqual({ kind: "stage", people: [0, 1], model: null });
    expect(takeOf(own, "automatic")).toEqual({ kind: "rough", people: [0, 1], model: null });
    expect(takeOf(own, "wan2.1-14b")).toEqual({ kind: "model", people: [1], model: "wan2.1-14b" });
  });

  test("shows one alone where that is chosen, and one alone of a video model, which is said", () => {
    expect(invitation(newDocument(), takeOf(newDocument(), "automatic"))).toBe("Film a take");
    expect(invitation(two, takeOf(two, "automatic"))).toBe("Film Person 1 and Person 2");
    expect(invitation(addPerson(two), takeOf(addPerson(two), "automatic"))).toBe("Film all 3 people");
    for (const [doc, kind] of [[filming(two, { person: 1 }), "model"], [filming(own, { person: 1 }), "rough"], [filming(own, { model: "mini" }), "model"]] as const) {
      expect(takeOf(doc, "automatic")).toMatchObject({ kind, people: [1] });
      expect(invitation(doc, takeOf(doc, "automatic"))).toBe("Film Person 2 alone");
      expect(leavesOut(doc, takeOf(doc, "automatic"))).toBe(true);
    }
    expect(takeOf(filming(two, { model: "rough" }), "automatic").kind).toBe("stage");
    expect(takeOf(filming(own, { model: "stage" }), "automatic").kind).toBe("stage");
  });

  test("shows whoever comes in or gets a picture, whoever was filmed alone before", () => {
    expect(addPerson(filming(two, { person: 1 })).notes.film.person).toBeNull();
    expect(putPicture(filming(two, { person: 0 }), 1, "file_1").notes.film.person).toBeNull();
    expect(removePerson(filming(two, { person: 1 }), 1).notes.film.person).toBeNull();
    const old = { ...newDocument(), notes: { film: { model: null, control: null, seed: 0, steps: null, person: 0 } } };
    expect((readDocument(old) as SceneDocument).notes.film.person).toBeNull();
  });
});

describe("the server is asked", () => {
  test("for pictures first, for the first one's room is filmed, and actors for whoever has none", () => {
    const look = { ...PLAIN, clothes: "skirt", marks: "file_2" } as const;
    expect(videoRequest(putLook(own, 1, look), "scene_1", "walks", "automatic")).toEqual({
      scene: "scene_1", prompt: "walks", seed: 0, model: null, person: [1, 0], input_reference: ["file_1", null],
      clothes: ["skirt", "auto"], legs: ["auto", "auto"], marks: ["file_2", null],
    });
    expect(roughQuery(putLook(own, 1, look), takeOf(own, "automatic"))).toEqual({
      picture: ["file_1", "actor"], person: [1, 0], clothes: ["skirt", "auto"], legs: ["auto", "auto"], marks: ["file_2", ""],
    });
  });

  test("for one alone as before, and for the stage's actors by their numbers", () => {
    expect(videoRequest(filming(own, { person: 1 }), "scene_1", "walks", "automatic")).toMatchObject({ person: 1, input_reference: "file_1", mask: null, picture_person: null });
    expect(videoRequest(newDocument(), "scene_1", "walks", "automatic")).toMatchObject({ actor: 3, scale: 3, person: 0 });
    expect(videoRequest(two, "scene_1", "walks", "automatic")).toEqual({ scene: "scene_1", prompt: "walks", seed: 0, model: "stage", person: [0, 1] });
    expect(videoRequest(filming(own, { model: "mini" }), "scene_1", "walks", "automatic")).not.toHaveProperty("clothes");
  });

  test("for several people of one picture, each once", () => {
    const group = everybodyOf(newDocument(), 0, "file_9", 3);
    expect(group.people).toHaveLength(3);
    expect(videoRequest(group, "scene_1", "", "automatic")).toMatchObject({ person: [0, 1, 2], input_reference: "file_9", picture_person: [0, 1, 2] });
    expect(roughQuery(group, takeOf(group, "automatic"))).toMatchObject({ picture: ["file_9", "file_9", "file_9"], picture_person: [0, 1, 2] });
    const twins = putPicture(putPicture(two, 0, "file_1"), 1, "file_1");
    expect(videoRequest(twins, "scene_1", "", "automatic").input_reference).toEqual(["file_1", "file_1"]);
  });

  test("with everybody's words", () => {
    expect(wordsOf(two, [0, 1])).toBe("a person walks forward; a person stands still");
  });
});

test("two who meet begin apart on the left and right, turned to each other, and end face to face", () => {
  const [left, right] = arrange(two, "meeting").people;
  expect([left?.place.x, left?.place.z, left?.place.turn]).toEqual([-1.8, 0, 90]);
  expect([right?.place.x, Math.abs(right?.place.z ?? 9), right?.place.turn]).toEqual([1.8, 0, -90]);
  expect(left?.motion.path.at(-1)).toMatchObject({ x: 0, z: 1.4 });
  const file = { ...two, people: two.people.map((p) => ({ ...p, motion: { ...p.motion, file: "file_1" } })) };
  expect(arrange(file, "meeting").people[0]?.motion.path).toEqual([]);
  expect(arrange(addPerson(two), "beside").people.map((p) => p.place.x)).toEqual([-1.1, 0, 1.1]);
});
