"""Configurations, validated and frozen: protocols, training settings, suites, trials. No torch."""
