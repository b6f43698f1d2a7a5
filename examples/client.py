"""A video by plain HTTP, as from any server of this shape: `python examples/client.py "a person waves" out.mp4`.

Needs httpx and a running `kinema serve`; KINEMA_TOKEN where the server asks for one.
"""

import json
import os
import sys

import httpx


def main(prompt: str, output: str, address: str = "http://127.0.0.1:8188") -> None:
    """Asks for a video, follows it, and writes it."""
    token = os.environ.get("KINEMA_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
        video = client.post("/v1/videos", json={"prompt": prompt, "seconds": 2}).raise_for_status().json()
        with client.stream("GET", f"/v1/videos/{video['id']}/events", timeout=None) as events:
            for line in events.iter_lines():
                if line.startswith("data: "):
                    video = json.loads(line.removeprefix("data: "))
                    print(f"{video['status']} {video['progress']} % {video['stage']}")
        if video["status"] != "completed":
            sys.exit(video["error"]["message"] if video.get("error") else "the video was deleted")
        content = client.get(f"/v1/videos/{video['id']}/content").raise_for_status()
        with open(output, "wb") as file:
            file.write(content.content)


if __name__ == "__main__":
    main(*sys.argv[1:])
