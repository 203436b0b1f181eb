"""TELL: html, json, csv, sarif and ocsf from the same run."""
