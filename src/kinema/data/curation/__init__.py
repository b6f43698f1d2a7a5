"""Raw videos become a data set: cut into shots, looked at, captured, captioned, encoded and packed into shards.

One stage, one file. A stage is a small picklable value: its settings, and a call that looks at one clip's folder. What
it found is written there, so that stages run alone and again and a killed run goes on. `plan.py` puts the stages in
their order, `local_engine.py` and `ray_engine.py` run them with equal results, `shards.py` packs what was kept.
"""
