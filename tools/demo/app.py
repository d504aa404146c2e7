# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The model server of the demo: an ordinary FastAPI application that knows nothing of modelsnoop.

A classifier of wines by their chemistry, trained at start on scikit-learn's own data set.
"""
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

wine = load_wine()
NAMES = [name.replace("/", "_") for name in wine.feature_names]
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(wine.data, wine.target)
app = FastAPI()


class Query(BaseModel):
    features: dict[str, float]


@app.post("/v1/predict")
async def predict(query: Query):
    chances = model.predict_proba([[query.features[name] for name in NAMES]])[0]
    best = int(chances.argmax())
    return {"prediction": str(wine.target_names[best]), "probability": round(float(chances[best]), 4)}


@app.get("/health")
async def health():
    return {"status": "ok"}
