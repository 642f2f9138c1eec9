"""How synthetic tissue is drawn: look, plan, nuclei, dyes, light; pure but for the generator."""
