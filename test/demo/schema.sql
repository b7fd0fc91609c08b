-- A small shop with a blog.
CREATE EXTENSION arcache;

CREATE TABLE users (
	id int PRIMARY KEY,
	name text NOT NULL,
	country text NOT NULL
);

CREATE TABLE articles (
	id int PRIMARY KEY,
	author_id int NOT NULL,
	title text NOT NULL,
	published date NOT NULL
);

CREATE TABLE comments (
	id int PRIMARY KEY,
	article_id int NOT NULL,
	user_id int NOT NULL,
	body text NOT NULL
);

CREATE TABLE orders (
	id int PRIMARY KEY,
	user_id int NOT NULL,
	total numeric(10,2) NOT NULL,
	placed date NOT NULL
);
