"""From sound to spikes of the auditory nerve, as Cramer et al. 2020 made the Heidelberg data set."""
