"""What a comparison and an evaluation both are: questions asked in several lanes, some at once, each answer kept."""
