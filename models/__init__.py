"""Models and their training: policy, reward model, rollout, PPO. Uses torch and transformers, no orchestration tool."""
