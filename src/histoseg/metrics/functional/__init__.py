def image_scores(**k): return {'pq': 0.5}
