"""One file for each way of splitting data; ``lrbench.data.splitting`` chooses among them."""
