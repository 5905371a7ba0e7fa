"""What a stage is, and what all stages share: their declaration, their context, and what they need from outside."""
