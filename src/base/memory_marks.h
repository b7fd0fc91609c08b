/*-------------------------------------------------------------------------
 *
 * memory_marks.h
 *	  Tell memory checkers which parts of shared memory are to be touched.
 *
 * To AddressSanitizer and to Valgrind a piece of shared memory is a single
 * object, in which nothing can be overrun.  Who cuts it into smaller ones says
 * so with these marks.  In builds for neither they are nothing.
 *
 * A checker knows of one process only.  The memory is shared, the marks are
 * not: what one process marks, no other learns, and what it has marked it must
 * not rely on when another may have used the memory for something else.  So
 * everything is closed from the start, before the first fork; a process opens
 * what it has the right to touch, and nothing else, at the moment it gets that
 * right, to the extent that it finds then; and closes it when it gives the
 * right up.  What it opened and did not close may hide a mistake later on, but
 * never makes a right access look wrong, as long as each begins with a mark.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_MEMORY_MARKS_H
#define ARC_MEMORY_MARKS_H

#include "postgres.h"

#include "utils/memdebug.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/*
 * arc_mark_closed	is not to be touched
 * arc_mark_fresh	may be written, and be read once it has been
 * arc_mark_open	has content
 * arc_mark_written must have been written, padding and all (Valgrind alone knows)
 *
 * The manager of a piece of memory keeps its own data between the objects, in
 * what is closed to all.  Its functions that touch them are ARC_MARK_EXEMPT, and
 * run between arc_mark_suspend() and arc_mark_resume(), which may be nested.
 */
#if defined(__SANITIZE_ADDRESS__)

#include <sanitizer/asan_interface.h>

#define ARC_MEMORY_MARKS
#define ARC_MARK_EXEMPT		__attribute__((no_sanitize_address))
#define arc_mark_closed(address, size)	__asan_poison_memory_region(address, size)
#define arc_mark_fresh(address, size)	__asan_unpoison_memory_region(address, size)
#define arc_mark_open(address, size)	__asan_unpoison_memory_region(address, size)
#define arc_mark_written(address, size) ((void) 0)
#define arc_mark_suspend()				((void) 0)
#define arc_mark_resume()				((void) 0)

#elif defined(USE_VALGRIND)

#define ARC_MEMORY_MARKS
#define ARC_MARK_EXEMPT
#define arc_mark_closed(address, size)	((void) VALGRIND_MAKE_MEM_NOACCESS(address, size))
#define arc_mark_fresh(address, size)	((void) VALGRIND_MAKE_MEM_UNDEFINED(address, size))
#define arc_mark_open(address, size)	((void) VALGRIND_MAKE_MEM_DEFINED(address, size))
#define arc_mark_written(address, size) ((void) VALGRIND_CHECK_MEM_IS_DEFINED(address, size))
#define arc_mark_suspend()				VALGRIND_DISABLE_ERROR_REPORTING
#define arc_mark_resume()				VALGRIND_ENABLE_ERROR_REPORTING

#else

#define ARC_MARK_EXEMPT
#define arc_mark_closed(address, size)	((void) 0)
#define arc_mark_fresh(address, size)	((void) 0)
#define arc_mark_open(address, size)	((void) 0)
#define arc_mark_written(address, size) ((void) 0)
#define arc_mark_suspend()				((void) 0)
#define arc_mark_resume()				((void) 0)

#endif

#endif							/* ARC_MEMORY_MARKS_H */
