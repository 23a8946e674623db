"""How far the long jobs of a study are, how well their time was used, and the headline of a finished study."""
