"""What Kokoro-FastAPI has beside OpenAI's API: captioned speech; mixes are names here."""
