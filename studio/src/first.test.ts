import { expect, test } from "vitest";
import first from "../public/first/scene.json";
import { newDocument, sceneRequest } from "./document";
import { FIRST_ACTOR } from "./first";

test("the scene that comes with the page is that of an empty document", () => {
  expect(sceneRequest(newDocument())).toMatchObject(first.request);
  expect(newDocument().people[0]?.actor).toBe(FIRST_ACTOR);
});
