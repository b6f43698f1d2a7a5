"""The mathematics of denoising, once, for motion and for video: paths, solvers and their loop, guiders, objectives."""
