"""What recorded runs cost: sums by group, other models' prices, a forecast. Pure: rows of the store in, figures out."""
