"""Video to scene: what can be read off pictures of people."""
