"""The server that one writes first: FastAPI around transformers' `generate`, one request at a time.

python -m benchmarks.plain_server MODEL_FOLDER PORT
"""

import sys
import threading
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from transformers import AutoModelForCausalLM, AutoTokenizer


def app(folder: str) -> FastAPI:
    """An app with the one route that the benchmark asks."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lock, made = threading.Lock(), FastAPI()  # `generate` is not made for several threads

    @made.post("/v1/chat/completions")
    def complete(asked: dict[str, Any]) -> dict[str, Any]:
        """Answer a conversation."""
        ids = tokenizer.apply_chat_template(
            asked["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=False
        )
        with lock, torch.no_grad():
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=asked["max_tokens"],
                do_sample=True,
                top_k=0,
                pad_token_id=tokenizer.pad_token_id,
            )
        tokens = out[0, ids.shape[1] :]
        return {"text": tokenizer.decode(tokens, skip_special_tokens=True), "usage": {"completion_tokens": len(tokens)}}

    @made.get("/health/ready")
    def ready() -> dict[str, bool]:
        """Say that the server runs."""
        return {"ready": True}

    return made


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
