SELECT toString(max(closed_day)) FROM totals_data
