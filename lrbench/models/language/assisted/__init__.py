"""Recommenders on a language model that a model on item ids, SASRec, assists."""
