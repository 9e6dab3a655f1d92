"""The evaluation of exported policies: episodes played, tabulated and summarized."""
