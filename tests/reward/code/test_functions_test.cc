// Test code as pytest and unittest run it, and test code that cannot be run.

#include "tests/reward/code/assert_case.h"

namespace cohort::reward::judge {
namespace {

class TestFunctions : public SandboxTest {};

TEST_F(TestFunctions, RunAsPytestAndUnittestRunThem) {
  Accepts({
      {"def add(a,b): return a+b",
       {R"py(from solution import add

def test_add():
    assert add(1,2)==3

def test_neg():
    assert add(-1,1)==0)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(from solution import *

def test_add():
    assert add(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(from solution import add as plus
def test_add():
    assert plus(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(import solution
def test_add():
    assert solution.add(1,2)==3)py"},
       ""},
      {R"py(def add(a,b):
    if type(a) is str: raise TypeError('no')
    return a+b)py",
       {R"py(import pytest
from solution import add
def test_add():
    with pytest.raises(TypeError, match='no'):
        add('a',2)
    assert add(.1,.2)==pytest.approx(.3)
@pytest.mark.parametrize('a,b,c',[(1,2,3),(2,2,4)])
def test_many(a,b,c):
    assert add(a,b)==c
@pytest.fixture
def one(): return 1
def test_fix(one):
    assert add(one,one)==2)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(import unittest
from solution import add
class T(unittest.TestCase):
    def setUp(self): self.k=1
    def test_a(self):
        self.assertEqual(add(self.k,2),3)
        with self.assertRaises(TypeError): add(1,'a')
if __name__=='__main__': unittest.main())py"},
       ""},
      {"def hi(): print('x')",
       {R"py(from solution import hi
def test_hi(capsys):
    hi()
    assert capsys.readouterr().out=='x\n')py"},
       ""},
      {"def f(m): return m()",
       {R"py(from unittest.mock import Mock
m=Mock(return_value=5)
assert f(m)==5
m.assert_called_once())py"},
       ""},
      {R"py(import random
def f(): return random.random())py",
       {R"py(import random
random.seed(3)
a=f()
random.seed(3)
assert a==f()==0.23796462709189137)py"},
       ""},
      {"def f(x): return x+1",
       {R"py(import threading
r=[]
ts=[threading.Thread(target=lambda i=i: r.append(f(i))) for i in range(20)]
[t.start() for t in ts]
[t.join() for t in ts]
assert sorted(r)==list(range(1,21)))py"},
       ""},
      {R"py(class Door:
    def open(self): return 'open'
    def patch(self): return 1)py",
       {"assert Door().open()=='open' and Door().patch()==1"},
       ""},
      {"def patch(x): return x", {"assert patch(1)==1"}, ""},
      {"def f(xs): return map(str,xs)", {"assert list(f([1]))==['1']"}, ""},
      {"def f(xs): return zip(xs,xs)", {"assert dict(f([1]))=={1:1}"}, ""},
      {"def f(xs): return {x:1 for x in xs}.keys()",
       {"assert f([1])=={1:2}.keys() and sorted(f([2,1]))==[1,2]"},
       ""},
      {R"py(class A:
    n=0
    @classmethod
    def make(c,x):
        a=c()
        a.x=x
        c.n+=1
        return a
    @property
    def twice(s): return 2*s.x
    @staticmethod
    def st(): return 1)py",
       {R"py(a=A.make(3)
assert a.x==3 and a.twice==6 and A.n==1 and A.st()==1
A.n=5
A.make(1)
assert A.n==6
a.x+=1
assert a.x==4 and hasattr(a,'x') and not hasattr(a,'y')
b=a
assert b is a
try:
    a.twice=3
    assert False
except AttributeError: pass)py"},
       ""},
      {R"py(from abc import ABC,abstractmethod
class S(ABC):
    @abstractmethod
    def area(s): ...
class Q(S):
    def area(s): return 4)py",
       {R"py(assert Q().area()==4 and isinstance(Q(),S)
try:
    S()
    assert False
except TypeError: pass)py"},
       ""},
      {R"py(class M:
    def __init__(s,v): s.v=v
    def __add__(s,o): return M(s.v+(o.v if isinstance(o,M) else o))
    __radd__=__add__
    def __eq__(s,o): return isinstance(o,M) and s.v==o.v)py",
       {R"py(assert sum([M(1),M(2)])==M(3)
assert M(1)+2==M(3)
assert M(1)+2!=M(4))py"},
       ""},
      {R"py(class v:
    def __init__(s,x): s.x=x
    def __add__(s,o): return v(s.x+o.x))py",
       {"assert (v(1)+v(2)).x==3"},
       ""},
      {R"py(import re
def f(s): return re.match('a',s))py",
       {R"py(assert f('ab') and not f('b')
assert f('ab').group(0)=='a')py"},
       ""},
      {"def f(): return {'a':[(1,2),{3}]}", {"assert f()=={'a':[(1,2),{3}]}"}, ""},
      {R"py(def f(n):
    if n<0: raise ValueError('neg')
    return n)py",
       {R"py(for bad in (-1,-2):
    try:
        f(bad)
    except ValueError as e:
        assert 'neg' in str(e)
    else:
        assert False)py"},
       ""},
  });
}

TEST_F(TestFunctions, FailAsPytestAndUnittestHaveThemFail) {
  Rejects({
      {"def add(a,b): return a-b",
       {R"py(from solution import add

def test_add():
    assert add(1,2)==3)py"},
       ""},
      {"def sub(a,b): return a+b",
       {R"py(from solution import add
def test_add():
    assert add(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(import pytest
from solution import add
def test_add():
    with pytest.raises(TypeError):
        add(1,2))py"},
       ""},
      {"def add(a,b): return 3",
       {R"py(import pytest
from solution import add
@pytest.mark.parametrize('a,b,c',[(1,2,3),(2,2,4)])
def test_many(a,b,c):
    assert add(a,b)==c)py"},
       ""},
      {"def add(a,b): return a-b",
       {R"py(import unittest
from solution import add
class T(unittest.TestCase):
    def test_a(self):
        self.assertEqual(add(1,2),3))py"},
       ""},
      {"def add(a,b): return a-b",
       {R"py(class TestAdd:
    def test_a(self):
        assert add(1,2)==3)py"},
       ""},
      {"def add(a,b): return a+b",
       {R"py(from solution import add
def test(): 
    assert add(1,2)==4
if __name__=='__main__':
    test())py"},
       ""},
      {R"py(import nonexistent
def f(x): return x)py",
       {"assert f(1)==1"},
       ""},
      {"def f(n): return n",
       {R"py(try:
    f(-1)
    assert False, 'no error'
except ValueError: pass)py"},
       ""},
  });
}

TEST_F(TestFunctions, WhatCannotBeRunIsNobodysZero) {
  const std::vector<AssertCase> cases = {
      {"def add(a,b): return a+b",
       {R"py(def check():
    assert add(1,2)==4)py"},
       ""},
      {"def f(): return 1",
       {R"py(import inspect
assert inspect.signature(f))py"},
       ""},
      {"def f(): return input()",
       {R"py(from unittest.mock import patch
with patch('builtins.input',return_value='3'):
    assert f()=='3')py"},
       ""},
      {"class B: pass",
       {R"py(class D(B): pass
assert D())py"},
       ""},
      {"def f(x): return x",
       {R"py(import no_such_module as np
assert np.allclose(f(1),1))py"},
       ""},
      {"def f(p): return open(p).read()",
       {R"py(open('t','w').write('a')
assert f('t')=='a')py"},
       ""},
      {"def f(p): return p",
       {R"py(import tempfile
assert f(1)==1)py"},
       ""},
  };
  for (const auto& [code, tests, setup] : cases) {
    EXPECT_EQ(GradeCode(code, AssertTests(tests, setup)).status, STATUS_UNPARSEABLE)
        << tests.front();
  }
}

}  // namespace
}  // namespace cohort::reward::judge
