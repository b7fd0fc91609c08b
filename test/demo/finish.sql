ALTER TABLE articles ADD FOREIGN KEY (author_id) REFERENCES users;
ALTER TABLE comments ADD FOREIGN KEY (article_id) REFERENCES articles;
ALTER TABLE comments ADD FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;
CREATE INDEX ON orders (user_id);
CREATE INDEX ON comments (article_id);
VACUUM ANALYZE;
