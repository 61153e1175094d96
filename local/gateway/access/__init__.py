"""Who calls the local AWS, and whether the deployed policies let them: judged on every call."""
