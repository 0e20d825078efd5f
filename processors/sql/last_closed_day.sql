SELECT max(closed_day) FROM totals_data FORMAT TSV
