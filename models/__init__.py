"""What is learned: policy, reward model, rollout, PPO. Torch and transformers, no orchestration tool."""
