// Asserts over values of the standard library, iterators and coroutines.

#include "tests/reward/code/assert_case.h"

namespace cohort::reward::judge {
namespace {

class AssertValues : public SandboxTest {};

TEST_F(AssertValues, ValuesOfTheStandardLibraryComeWhole) {
  Accepts({
      {R"py(from decimal import Decimal
def f(): return Decimal('1.50'))py",
       {"assert f()==Decimal('1.5')"},
       "from decimal import Decimal"},
      {"def f(n): return range(n)",
       {R"py(assert f(3)==range(3)
assert list(f(3))==[0,1,2])py"},
       ""},
      {R"py(from collections import Counter
def f(x): return Counter(x))py",
       {"assert f('aab').most_common(1)==[('a',2)]"},
       ""},
      {R"py(from collections import defaultdict
def f():
    d=defaultdict(list)
    d[1].append(2)
    return d)py",
       {R"py(assert f()=={1:[2]}
assert f()[5]==[])py"},
       ""},
      {R"py(import datetime
def f(): return datetime.datetime(2020,1,1,tzinfo=datetime.timezone.utc))py",
       {"assert f()==datetime.datetime(2020,1,1,tzinfo=datetime.timezone.utc)"},
       "import datetime"},
      {R"py(from datetime import timedelta
def f(): return timedelta(hours=1))py",
       {"assert f().total_seconds()==3600"},
       ""},
      {R"py(import uuid
def f(): return uuid.UUID(int=5))py",
       {"assert f()==uuid.UUID(int=5)"},
       "import uuid"},
      {R"py(from pathlib import Path
def f(): return Path('a')/'b')py",
       {"assert str(f())=='a/b' and f().name=='b'"},
       ""},
      {R"py(def f():
    yield 1
    yield 2)py",
       {R"py(g=f()
assert next(g)==1
assert next(g)==2
try:
    next(g)
    assert False
except StopIteration: pass)py"},
       ""},
      {R"py(def f():
    yield 1
    yield 2)py",
       {R"py(import types
assert isinstance(f(), types.GeneratorType)
assert list(f())==[1,2])py"},
       ""},
      {"def f(it): return sum(it)", {"assert f(x*x for x in range(4))==14"}, ""},
      {R"py(def f(it):
    it=iter(it)
    return [next(it),next(it,None)])py",
       {"assert f(iter([1,2]))==[1,2]"},
       ""},
      {R"py(def f():
    x = yield 1
    yield x*2)py",
       {R"py(g=f()
next(g)
assert g.send(5)==10)py"},
       ""},
      {R"py(import asyncio
async def f():
    await asyncio.sleep(0)
    return 1)py",
       {R"py(import asyncio
assert asyncio.run(f())==1)py"},
       ""},
      {R"py(import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x)py",
       {R"py(import asyncio
async def main():
    assert await f(1)==1
    r=await asyncio.gather(f(1),f(2))
    assert r==[1,2]
asyncio.run(main()))py"},
       ""},
      {R"py(async def f(n):
    for i in range(n): yield i)py",
       {R"py(import asyncio
async def main():
    return [x async for x in f(3)]
assert asyncio.run(main())==[0,1,2])py"},
       ""},
      {R"py(class C:
    async def __aenter__(s): return 5
    async def __aexit__(s,*a): return False)py",
       {R"py(import asyncio
async def main():
    async with C() as c:
        assert c==5
asyncio.run(main()))py"},
       ""},
      {"async def f(): raise ValueError('x')",
       {R"py(import asyncio
try:
    asyncio.run(f())
    assert False
except ValueError as e:
    assert str(e)=='x')py"},
       ""},
  });
}

TEST_F(AssertValues, OtherValuesOfTheStandardLibraryAreWrong) {
  Rejects({
      {R"py(from decimal import Decimal
def f(): return Decimal('1.51'))py",
       {"assert f()==Decimal('1.5')"},
       "from decimal import Decimal"},
      {"def f(n): return range(n+1)", {"assert f(3)==range(3)"}, ""},
      {R"py(from fractions import Fraction
def f(): return Fraction(1,3))py",
       {"assert f()==Fraction(1,2)"},
       "from fractions import Fraction"},
      {R"py(from collections import deque
def f(x): return deque(x))py",
       {"assert f([1,2])==deque([1,3])"},
       "from collections import deque"},
      {R"py(from collections import OrderedDict
def f(): return OrderedDict([('a',1),('b',2)]))py",
       {"assert f()==OrderedDict([('b',2),('a',1)])"},
       "from collections import OrderedDict"},
      {R"py(import asyncio
async def f():
    await asyncio.sleep(0)
    return 2)py",
       {R"py(import asyncio
assert asyncio.run(f())==1)py"},
       ""},
  });
}

TEST_F(AssertValues, AnIterationEndsWhereItsIteratorSaysSo) {
  Accepts({
      {R"py(class I:
    def __init__(s): s.n=0
    def __iter__(s): return s
    def __next__(s):
        s.n+=1
        if s.n>2: raise StopIteration
        return s.n)py",
       {R"py(assert list(I())==[1,2]
assert sum(I())==3)py"},
       ""},
      {R"py(class I:
    def next(s): raise StopIteration)py",
       {R"py(try:
    I().next()
    assert False
except StopIteration: pass)py"},
       ""},
  });
}

TEST_F(AssertValues, ACallThatRaisesStopIterationEndsNoIteration) {
  Rejects({
      {"def f(x): raise StopIteration", {"assert all(map(f,[1,2,3]))"}, ""},
      {"def f(x): raise StopIteration", {"assert not any(filter(f,[1,2,3]))"}, ""},
      {R"py(class S(StopIteration): pass
def f(x): raise S)py",
       {"assert list(map(f,[1,2,3]))==[]"},
       ""},
  });
}

}  // namespace
}  // namespace cohort::reward::judge
