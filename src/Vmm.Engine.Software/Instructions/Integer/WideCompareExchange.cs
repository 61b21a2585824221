using System.Runtime.CompilerServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>
/// Compare-and-exchange of 16 bytes. .NET has none, so the processors of one machine take turns. Guests use the
/// instruction on data that they change with it alone.
/// </summary>
internal static unsafe class WideCompareExchange
{
    public static UInt128 Run(CpuState* s, byte* host, UInt128 replacement, UInt128 expected)
    {
        lock (LogicalProcessor.Of(s).Memory)
        {
            UInt128 old = Unsafe.ReadUnaligned<UInt128>(host);
            if (old == expected)
            {
                Unsafe.WriteUnaligned(host, replacement);
            }

            return old;
        }
    }
}
