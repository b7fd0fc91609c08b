/*
 * What cppcheck must know of the server's macros: it reads our files alone,
 * because with the server's headers it takes minutes.
 */
#define ERROR 21
#define ereport(level, ...) do { if ((level) >= ERROR) abort(); } while (0)
#define elog(level, ...) do { if ((level) >= ERROR) abort(); } while (0)
#define Assert(condition) do { if (!(condition)) abort(); } while (0)
#define pg_attribute_noreturn() __attribute__((noreturn))
#define foreach(cell, list) \
	for (cell = list_head(list); cell != NULL; cell = lnext(list, cell))
