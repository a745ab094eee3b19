"""The paper's tables: ablation, baseline, published figures beside ours."""
