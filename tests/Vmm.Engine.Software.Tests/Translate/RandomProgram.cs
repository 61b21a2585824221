using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate;

/// <summary>
/// Writes random programs that end: nested counted loops around random instructions, with forward branches, calls,
/// pushes and pops, indirect jumps, vector code, stores across pages and stores into the program's own code.
/// </summary>
internal sealed class RandomProgram
{
    private readonly Random _random;
    private readonly RandomInstructions _instructions;

    public RandomProgram(int seed)
    {
        _random = new Random(seed);
        _instructions = new RandomInstructions(_random, () => (long)TestMachine.DataAddress);
    }

    /// <summary>The program; R12 and R15 count its loops, the data is two pages at <see cref="TestMachine.DataAddress"/>.</summary>
    public void Write(Assembler a)
    {
        _instructions.FillRegisters(a);
        Label function = a.CreateLabel();
        Label start = a.CreateLabel();
        a.jmp(start);
        a.Label(ref function);
        _instructions.Write(a, 6);
        a.ret();
        a.Label(ref start);
        for (int loops = _random.Next(2, 5); loops > 0; loops--)
        {
            WriteLoop(a, function);
        }
    }

    private void WriteLoop(Assembler a, Label function)
    {
        Label again = a.CreateLabel();
        a.mov(r15, _random.Next(20, 60));
        a.Label(ref again);
        for (int parts = _random.Next(2, 6); parts > 0; parts--)
        {
            _instructions.Write(a, _random.Next(1, 8));
            switch (_random.Next(6))
            {
                case 0:
                    a.call(function);
                    break;
                case 1:
                    _instructions.WriteForwardBranch(a);
                    break;
                case 2:
                    _instructions.WriteLoop(a);
                    break;
                case 3:
                    _instructions.WriteIndirectJump(a);
                    break;
                case 4:
                    WriteSelfModification(a);
                    break;
            }
        }

        a.dec(r15);
        a.jne(again);
    }

    // The immediate of the instruction after it is overwritten with another each time round.
    private void WriteSelfModification(Assembler a)
    {
        Label patched = a.CreateLabel();
        a.lea(rbx, __[patched]);
        a.mov(__byte_ptr[rbx + 1], r15b);
        a.Label(ref patched);
        a.mov(ecx, 0x11223344);
    }
}
