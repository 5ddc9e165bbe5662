-- The steps of the queue, of limits and of links are the worker role's alone.
select guard_functions('{queue,permit,bucket,link}');
